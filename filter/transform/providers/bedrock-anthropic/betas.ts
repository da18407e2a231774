/**
 * Beta flags that Bedrock takes. It refuses the whole request for one that it does not know (400 `invalid beta flag`, pitfall 37), and clients
 * send what Anthropic's own API knows: the rest is left out.
 */

/** By prefix, without the date: a new date of a known beta passes. Source: AWS's parameter page for Claude on InvokeModel. */
const KNOWN = [
  'computer-use',
  'token-efficient-tools',
  'interleaved-thinking',
  'output-128k',
  'dev-full-thinking',
  'context-1m',
  'context-management',
  'effort',
  'tool-search-tool',
  'tool-examples',
  'fine-grained-tool-streaming',
];

export function allowedBetas(header: string | undefined): string[] {
  return (header ?? '')
    .split(',')
    .map((flag) => flag.trim())
    .filter((flag) => KNOWN.some((known) => flag === known || flag.startsWith(`${known}-20`)));
}

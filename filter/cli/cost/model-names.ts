/** Names of one model in requests, answers and bills, brought together where that takes no guess. */

const VENDORS = /^(?:anthropic|amazon|meta|mistral|cohere|deepseek|openai|qwen|ai21|google)\./;
const PROFILES = /^(?:us|eu|apac|jp|au|global|us-gov)\./;
/** A snapshot's date, or a revision of Bedrock or Vertex. Of others than Claude a version above the first is another model: `titan-embed-text-v2`. */
const SNAPSHOT = /(?:-20\d{2}-?\d{2}-?\d{2}|@[a-z0-9-]+|:\d+|-v1|(?<=^claude-.*)-v\d+)$/;

/** @returns one name for a model and its dated snapshots, whoever wrote it */
export function canonical(name: string): string {
  let bare = name.trim().toLowerCase().replace(PROFILES, '').replace(VENDORS, '');
  for (let shorter = bare.replace(SNAPSHOT, ''); shorter !== bare; shorter = bare.replace(SNAPSHOT, '')) bare = shorter;
  return bare.replace(/[ ._]+/g, '-');
}

/** @returns `claude-sonnet-4-6` for Bedrock's billing name `Claude4.6Sonnet`; any other as it is */
export function ofBedrockBill(name: string): string {
  const [, version, size] = /^Claude([\d.]+)(Opus|Sonnet|Haiku)$/.exec(name) ?? [];
  return version === undefined || size === undefined ? name : `claude-${size}-${version}`;
}

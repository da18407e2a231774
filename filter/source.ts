/** YAML that people write, such as the policy: its value, and problems with their places in the file. */
import type { ErrorObject } from 'ajv';
import { isNode, LineCounter, parseDocument } from 'yaml';

/** Where in the document: `['aliases', 'fast', 'chain', 0]`. */
export type Place = readonly (string | number)[];

export interface Problem {
  readonly at: Place;
  readonly message: string;
}

export interface Source {
  readonly value: unknown;
  /** YAML's own complaints, already with line and column. */
  readonly syntaxErrors: readonly string[];
  /** @returns `file:line:column: path: message` */
  describe(problem: Problem): string;
}

export function readSource(file: string, text: string): Source {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, uniqueKeys: true, prettyErrors: false });
  const position = (offset: number): string => {
    const { line, col } = lines.linePos(offset);
    return `${file}:${line}:${col}`;
  };
  return {
    value: document.toJS(),
    syntaxErrors: document.errors.map((error) => `${position(error.pos[0])}: ${error.message}`),
    describe({ at, message }) {
      // A field that is missing has no place of its own: its nearest parent's is told.
      for (let depth = at.length; depth >= 0; depth--) {
        const node = depth === 0 ? document.contents : document.getIn(at.slice(0, depth), true);
        if (isNode(node) && node.range) return `${position(node.range[0])}: ${pathOf(at)}: ${message}`;
      }
      return `${file}:1:1: ${pathOf(at)}: ${message}`;
    },
  };
}

function pathOf(at: Place): string {
  if (at.length === 0) return '(document)';
  return at.map((part, index) => (typeof part === 'number' ? `[${part}]` : index === 0 ? part : `.${part}`)).join('');
}

/**
 * What a JSON schema finds, in words.
 * @param patternHelp what to write instead, for the schema's own patterns
 */
export function problemsOf(error: ErrorObject, patternHelp: (pattern: string) => string): Problem[] {
  const at = error.instancePath
    .split('/')
    .slice(1)
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))
    .map((part) => (/^\d+$/.test(part) ? Number(part) : part));
  switch (error.keyword) {
    case 'additionalProperties': {
      const field = String(error.params['additionalProperty']);
      const known = Object.keys((error.parentSchema?.['properties'] as object | undefined) ?? {});
      return [{ at: [...at, field], message: `unknown field; known here: ${known.join(', ')}` }];
    }
    case 'required':
      return [{ at: [...at, String(error.params['missingProperty'])], message: 'is missing' }];
    case 'enum':
      return [{ at, message: `expected one of ${(error.params['allowedValues'] as unknown[]).join(', ')}` }];
    case 'pattern':
      return [{ at, message: patternHelp(String(error.params['pattern'])) }];
    // These only frame the errors beneath them.
    case 'propertyNames':
    case 'oneOf':
      return [];
    default:
      return [{ at, message: error.message ?? 'is not valid' }];
  }
}

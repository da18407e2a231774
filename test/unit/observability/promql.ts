/** PromQL, read by Prometheus's own grammar: what an expression names, and which labels its result has. */
import { parser } from '@prometheus-io/lezer-promql';

type SyntaxNode = ReturnType<typeof parser.parse>['topNode'];

/** What is scraped or recorded: name of the series -> label -> values that occur. */
export type Catalogue = ReadonlyMap<string, ReadonlyMap<string, ReadonlySet<string>>>;

export interface Findings {
  /** Labels of the result; undefined: it is one number. */
  readonly labels: ReadonlySet<string> | undefined;
  readonly problems: readonly string[];
  readonly metrics: ReadonlySet<string>;
}

/** @param promql of a rule, or of a dashboard with its `$variables`, which fit any value */
export function readPromql(promql: string, catalogue: Catalogue): Findings {
  const text = promql.replaceAll('$__rate_interval', '5m').replaceAll('$__range', '1d');
  const problems: string[] = [];
  const metrics = new Set<string>();
  const { topNode } = parser.parse(text);
  topNode.cursor().iterate(({ type, from, to }) => {
    if (type.isError) problems.push(`cannot be parsed at ${JSON.stringify(text.slice(from, to + 20))}`);
  });
  const textOf = (node: SyntaxNode): string => text.slice(node.from, node.to);
  const names = (node: SyntaxNode | null): string[] => node?.getChildren('LabelName').map(textOf) ?? [];
  const demand = (wanted: Iterable<string>, labels: ReadonlySet<string> | undefined, node: SyntaxNode): void => {
    for (const name of wanted) if (!labels?.has(name)) problems.push(`there is no label ${name} in ${textOf(node)}`);
  };

  const selector = (node: SyntaxNode): ReadonlySet<string> => {
    const identifier = node.getChild('Identifier');
    const metric = identifier === null ? '' : textOf(identifier);
    const known = catalogue.get(metric);
    metrics.add(metric);
    if (known === undefined) {
      problems.push(`there is no metric ${metric}`);
      return new Set();
    }
    for (const matcher of node.getChild('LabelMatchers')?.getChildren('UnquotedLabelMatcher') ?? []) {
      const [label = ''] = names(matcher);
      const literal = matcher.getChild('StringLiteral');
      const values = literal === null ? '' : (JSON.parse(textOf(literal)) as string);
      const seen = known.get(label);
      if (seen === undefined) problems.push(`${metric} has no label ${label}`);
      else
        for (const value of values.split('|'))
          if (!value.startsWith('$') && !seen.has(value)) problems.push(`${metric} never has ${label}="${value}"`);
    }
    return new Set(known.keys());
  };

  const aggregate = (node: SyntaxNode): ReadonlySet<string> => {
    const inner = all(node.getChild('FunctionCallBody'));
    const modifier = node.getChild('AggregateModifier');
    const by = names(modifier?.getChild('GroupingLabels') ?? null);
    if (modifier?.getChild('Without') != null) problems.push('says without: use by, so that a new label changes nothing');
    demand(by, inner, node);
    const keepsLabels = ['Topk', 'Bottomk'].some((name) => node.getChild('AggregateOp')?.getChild(name) != null);
    return keepsLabels && by.length === 0 ? (inner ?? new Set()) : new Set(by);
  };

  const call = (node: SyntaxNode): ReadonlySet<string> | undefined => {
    const name = text.slice(node.from, node.getChild('FunctionCallBody')?.from);
    const inner = all(node.getChild('FunctionCallBody'));
    if (name === 'absent' || name === 'vector') return new Set();
    if (name !== 'histogram_quantile') return inner;
    demand(['le'], inner, node);
    return new Set([...(inner ?? [])].filter((label) => label !== 'le'));
  };

  const binary = (node: SyntaxNode): ReadonlySet<string> | undefined => {
    const modifier = node.getChild('MatchingModifierClause');
    const [left, right] = operands(node).map(labelsOf);
    if (left === undefined || right === undefined) return left ?? right;
    const isSet = ['And', 'Unless', 'Or'].some((name) => node.getChild(name) !== null);
    if (modifier === null) {
      const differ = differing(left, right);
      if (differ.length > 0) problems.push(`its two sides never match, by ${differ.join(', ')}: ${textOf(node)}`);
      return left;
    }
    const on = names(modifier.getChild('GroupingLabels'));
    demand(on, left, node);
    demand(on, right, node);
    const isGrouped = modifier.getChild('GroupLeft') !== null;
    if (!isSet && !isGrouped && differing(new Set(on), left).length > 0)
      problems.push(`several of its left side may match one of its right side: ${textOf(node)}`);
    return isSet || isGrouped ? left : new Set(on);
  };

  const labelsOf = (node: SyntaxNode): ReadonlySet<string> | undefined => {
    switch (node.name) {
      case 'VectorSelector':
        return selector(node);
      case 'AggregateExpr':
        return aggregate(node);
      case 'FunctionCall':
        return call(node);
      case 'BinaryExpr':
        return binary(node);
      case 'NumberDurationLiteral':
        return undefined;
      default:
        return all(node);
    }
  };

  /** Of all that is inside; numbers beside a series do not count. */
  const all = (node: SyntaxNode | null): ReadonlySet<string> | undefined =>
    node === null
      ? undefined
      : operands(node)
          .map(labelsOf)
          .find((labels) => labels !== undefined);

  return { labels: all(topNode), problems, metrics };
}

function differing(some: ReadonlySet<string>, others: ReadonlySet<string>): string[] {
  return [...[...some].filter((each) => !others.has(each)), ...[...others].filter((each) => !some.has(each))];
}

const EXPRESSION = /(Expr|Selector|FunctionCall|NumberDurationLiteral)$/;

function operands(node: SyntaxNode): SyntaxNode[] {
  const found: SyntaxNode[] = [];
  for (let child = node.firstChild; child !== null; child = child.nextSibling)
    if (EXPRESSION.test(child.name) && child.name !== 'DurationExpr') found.push(child);
  return found;
}

// swc reads the sources: dependency-cruiser does not know TypeScript 7 yet, and says so in a warning.
// Which part of the filter may know which. One direction: extproc -> exchange -> planes -> transform.
const planes = 'policy|identity|routing|fallback|quota|credentials|observability';
const edge = (name, comment, from, to) => ({ name, severity: 'error', comment, from, to });
module.exports = {
  forbidden: [
    edge('no-cycles', 'a cycle has no layers', {}, { circular: true }),
    edge(
      'protocol-stays-in-extproc',
      "Envoy's protocol types",
      { path: '^filter/', pathNot: '^filter/extproc/' },
      { path: '^filter/extproc/gen/' },
    ),
    edge('grpc-stays-in-extproc', 'gRPC', { path: '^filter/', pathNot: '^filter/extproc/' }, { path: '@grpc/grpc-js' }),
    edge(
      'only-main-builds',
      'main.ts and worker.ts wire, nobody wires them',
      { path: '^filter/(?!(main|worker)\\.ts)' },
      { path: '^filter/(main|worker|supervisor)\\.ts' },
    ),
    edge(
      'settings-stay-outside',
      'read where a process begins, and handed in',
      { path: '^filter/(?!(main|worker)\\.ts|cli/)' },
      { path: '^filter/settings\\.ts' },
    ),
    edge(
      'exchange-below-extproc',
      'nothing reaches back up',
      { path: `^filter/(exchange|${planes}|transform|admin)/` },
      { path: '^filter/extproc/' },
    ),
    edge(
      'planes-below-exchange',
      'nothing reaches back up',
      { path: `^filter/(${planes}|transform|admin)/` },
      { path: '^filter/exchange/' },
    ),
    edge(
      'transform-is-below-planes',
      'schemas know no plane',
      { path: '^filter/transform/' },
      { path: `^filter/(${planes}|admin)/` },
    ),
    edge(
      'a-plane-knows-policy-alone',
      'planes meet in the exchange',
      { path: `^filter/(${planes})/` },
      { path: `^filter/(${planes})/`, pathNot: ['^filter/$1/', '^filter/policy/compiled/'] },
    ),
    edge(
      'prices-know-usage-alone',
      'what a token costs depends on no schema and no policy',
      { path: '^filter/prices/' },
      {
        path: '^filter/',
        pathNot: ['^filter/prices/', '^filter/(json|quantities|source)\\.ts$', '^filter/transform/unified\\.ts$'],
      },
    ),
    edge(
      'callers-do-not-know-each-other',
      'n + m, never pairs',
      { path: '^filter/transform/callers/([^/]+)/' },
      { path: '^filter/transform/(callers|providers)/[^/]+/', pathNot: '^filter/transform/callers/$1/' },
    ),
    edge(
      'providers-know-each-others-face-alone',
      'n + m, never pairs; a platform that carries a schema of another wraps its public face',
      { path: '^filter/transform/providers/([^/]+)/' },
      {
        path: '^filter/transform/(callers|providers)/[^/]+/',
        pathNot: ['^filter/transform/providers/$1/', '^filter/transform/providers/[^/]+/provider\\.ts$'],
      },
    ),
    edge('product-knows-no-test', 'tests know the product', { path: '^filter/' }, { path: '^test/' }),
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { extensions: ['.ts', '.js', '.json'] },
  },
};

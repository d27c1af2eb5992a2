/** The arrows of docs/ARCHITECTURE.md. A room is entered only through its index.ts. */
const rooms = [
  'protocols/sdpp',
  'registry',
  'data',
  'evidence',
  'storage',
  'chain',
  'payments/evm',
  'payments/free',
  'payments/iota',
  'iota-ledger'
]
const leaves = '^src/(interface|statements)/'

module.exports = {
  forbidden: [
    {
      name: 'no-cycles',
      comment: 'A cycle hides which of two files is the lower one. Type-only cycles are erased.',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } }
    },
    {
      name: 'leaves-import-nothing-of-ours',
      severity: 'error',
      from: { path: '^src/interface/' },
      to: { path: '^(src|bootstrap|bench|test)/', pathNot: '^src/interface/' }
    },
    {
      name: 'statements-import-interface-only',
      severity: 'error',
      from: { path: '^src/statements/' },
      to: { path: '^(src|bootstrap|bench|test)/', pathNot: leaves }
    },
    ...rooms.map((room) => ({
      name: `${room.replace('/', '-')}-meets-others-through-interfaces`,
      comment: 'Rooms import interface and statements only; node wires them.',
      severity: 'error',
      from: { path: `^src/${room}/` },
      to: { path: '^(src|bootstrap|bench|test)/', pathNot: `${leaves}|^src/${room}/` }
    })),
    {
      name: 'payments-shared-files',
      comment: 'Budget and index of the payments room stand above the rails.',
      severity: 'error',
      from: { path: '^src/payments/[^/]+\\.ts$' },
      to: { path: '^(src|bootstrap|bench|test)/', pathNot: `${leaves}|^src/payments/` }
    },
    {
      name: 'users-of-node',
      comment: 'The command line knows node, interface and nothing else.',
      severity: 'error',
      from: { path: '^src/(cli|api)/' },
      to: { path: '^src/', pathNot: '^src/(cli|api|interface)/|^src/node/index\\.ts$' }
    },
    {
      name: 'page-talks-http',
      comment: 'The page knows the types of the API and the pure helpers of interface.',
      severity: 'error',
      from: { path: '^src/web/' },
      to: { path: '^(src|bootstrap|bench|test)/', pathNot: '^src/(web|interface)/|^src/api/schemas/' }
    },
    {
      name: 'page-takes-only-types-of-the-api',
      severity: 'error',
      from: { path: '^src/web/' },
      to: { path: '^src/api/', dependencyTypesNot: ['type-only'] }
    },
    {
      name: 'nobody-imports-the-page',
      severity: 'error',
      from: { pathNot: '^src/web/' },
      to: { path: '^src/web/' }
    },
    {
      name: 'bootstrap-uses-node',
      severity: 'error',
      from: { path: '^bootstrap/' },
      to: { path: '^src/', pathNot: '^src/interface/|^src/node/index\\.ts$' }
    },
    {
      name: 'rooms-have-one-door',
      comment: 'Outsiders enter a room only through its index.ts.',
      severity: 'error',
      from: { path: '^src/node/' },
      to: {
        path: '^src/(interface|statements|registry|data|evidence|storage|chain|iota-ledger|payments|protocols/sdpp)/',
        pathNot: '/index\\.ts$'
      }
    }
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: 'src/chain/abi\\.ts$' },
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: {
      extensions: ['.ts', '.js', '.json'],
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'types', 'default']
    }
  }
}

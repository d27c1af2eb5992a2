const { existsSync } = require('node:fs')
const { builtinModules } = require('node:module')

/**
 * What decides about money and protocol steps runs under any schedule, so it loads neither Node's modules nor libp2p: not
 * itself, and not through anything that it imports. Types are no part of that, and `reachable` cannot leave them out:
 * `tsPreCompilationDeps: false` erases them for the whole run, hence a file of its own beside `.dependency-cruiser.cjs`.
 */
const DECISIONS = {
  interface: 'amount|block|price-text|terms|trust',
  'protocols/sdpp':
    'account|buyer-machine|seller-machine|seller-state|seller-delivery|transitions|constants|status|clock|' +
    'negotiation|gate|catalog|replay|open-part|delivery-queue|frame|data-frame|trust|window-advice|unstored',
  payments: 'budget',
  'payments/evm':
    'chain-health|claim|claim-plan|refund|relay|signature|voucher|serial|time|' +
    'payee-channels|payee-lane|payee-lanes|payee-session|payer-channels|payer-lane|payer-session',
  'payments/free': 'index',
  'payments/iota': 'coin-pool|fees|judge|sponsored',
  evidence: 'voucher|records/plan',
  node: 'access|candidates|exposure|order-wish|seller-limits|way-to-pay|network/admission'
}

const modules = Object.entries(DECISIONS).flatMap(([room, names]) =>
  names.split('|').map((name) => `src/${room}/${name}.ts`)
)
const lost = modules.filter((path) => !existsSync(path))
if (lost.length > 0) throw new Error(`DECISIONS names ${lost.join(', ')}, which is gone: name what took its place`)

module.exports = {
  forbidden: [
    {
      name: 'decisions-are-pure',
      severity: 'error',
      from: { path: modules.map((path) => `^${path.replace('.', '\\.')}$`) },
      to: { path: [`^(node:|(${builtinModules.join('|')})$)`, '(^|/)(@libp2p/|libp2p(/|$))'], reachable: true }
    }
  ],
  options: {
    ...require('./.dependency-cruiser.cjs').options,
    tsPreCompilationDeps: false
  }
}

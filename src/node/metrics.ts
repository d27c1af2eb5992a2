import type { AbortOptions } from '../interface/index.ts'
import type { LocalNode, NodeFigures } from './types.ts'

interface Sample {
  labels: Record<string, string>
  value: number
}

/** One metric: what it is called for good, and how it follows from the figures of a node. */
interface Metric {
  type: 'counter' | 'gauge'
  help: string
  labels: readonly string[]
  read: (figures: NodeFigures) => Sample[]
}

const EXPOSURE_PARTS = ['window', 'unclaimed', 'unconfirmed', 'locked'] as const

/** Those of DDM itself, by name; those of the process are prom-client's. docs/operations/grafana.json shows all of them. */
export const METRICS = {
  ddm_session_records_total: {
    type: 'counter',
    help: 'Billable records of all sessions in the ledger',
    labels: ['role', 'rail'],
    read: ({ totals }) => summed(totals, 'records')
  },
  ddm_session_bytes_total: {
    type: 'counter',
    help: 'Billable bytes of all sessions in the ledger',
    labels: ['role', 'rail'],
    read: ({ totals }) => summed(totals, 'bytes')
  },
  ddm_due_units_total: {
    type: 'counter',
    help: 'What those sessions cost, atomic units',
    labels: ['role', 'rail'],
    read: ({ totals }) => summed(totals, 'due')
  },
  ddm_paid_units_total: {
    type: 'counter',
    help: 'What was paid of it (buyer: signed, seller: credited), atomic units',
    labels: ['role', 'rail'],
    read: ({ totals }) => summed(totals, 'paid')
  },
  ddm_sessions: {
    type: 'gauge',
    help: 'Sessions in the ledger by state; "disputed" and "failed" deserve a look',
    labels: ['role', 'state'],
    read: ({ totals }) => totals.map(({ role, state, sessions }) => ({ labels: { role, state }, value: sessions }))
  },
  ddm_open_sessions: {
    type: 'gauge',
    help: 'Sessions that run now',
    labels: ['role'],
    read: ({ open }) => Object.entries(open).map(([role, value]) => ({ labels: { role }, value }))
  },
  ddm_product_records_total: {
    type: 'counter',
    help: 'Records that the log of a product on sale has had, by listing',
    labels: ['listing'],
    read: ({ products }) => products.map(({ listing, head }) => ({ labels: { listing }, value: Number(head) }))
  },
  ddm_peers: {
    type: 'gauge',
    help: 'Connections that are open now',
    labels: ['direction'],
    read: ({ connections }) =>
      Object.entries(connections).map(([direction, value]) => ({ labels: { direction }, value }))
  },
  ddm_unclaimed_units: {
    type: 'gauge',
    help: 'Vouchers held and not presented to the chain, atomic units',
    labels: ['rail'],
    read: ({ held }) => held.map(({ rail, unclaimed }) => ({ labels: { rail }, value: Number(unclaimed) }))
  },
  ddm_claim_age_seconds: {
    type: 'gauge',
    help: 'Age of the oldest voucher that is not presented to the chain; must stay far below the withdraw delay',
    labels: ['rail'],
    read: ({ held }) => held.map(({ rail, ageSeconds }) => ({ labels: { rail }, value: ageSeconds }))
  },
  ddm_exposure_units: {
    type: 'gauge',
    help: 'What the node may lose (window, unclaimed, unconfirmed) or get back late (locked); their sum is its bound, atomic units',
    labels: ['role', 'rail', 'part'],
    read: ({ exposure }) =>
      exposure.flatMap(({ role, rail, ...amounts }) =>
        EXPOSURE_PARTS.map((part) => ({ labels: { role, rail, part }, value: Number(amounts[part]) }))
      )
  },
  ddm_chain_head_number: {
    type: 'gauge',
    help: 'Newest block that the node was told of',
    labels: [],
    read: ({ head }) => (head === undefined ? [] : [{ labels: {}, value: Number(head.number) }])
  },
  ddm_chain_head_timestamp_seconds: {
    type: 'gauge',
    help: 'Time of that block, Unix seconds',
    labels: [],
    read: ({ head }) => (head === undefined ? [] : [{ labels: {}, value: Number(head.timestamp) }])
  },
  ddm_wallet_frozen: {
    type: 'gauge',
    help: '1 while the kill switch stops all signing',
    labels: [],
    read: ({ frozen }) => [{ labels: {}, value: frozen ? 1 : 0 }]
  },
  ddm_home_free_bytes: {
    type: 'gauge',
    help: 'Free space where the home is',
    labels: [],
    read: ({ freeBytes }) => [{ labels: {}, value: freeBytes }]
  }
} as const satisfies Readonly<Record<string, Metric>>

/** Answers Prometheus. */
export interface Metrics {
  contentType: string
  text: (options?: AbortOptions) => Promise<string>
}

/**
 * Metrics of a node and of its process, in a registry of their own.
 *
 * @example
 * ```ts
 * const { contentType, text } = await createMetrics(node)
 * await text() // '# HELP ddm_open_sessions Sessions that run now\n…'
 * ```
 */
export async function createMetrics(node: Pick<LocalNode, 'figures'>): Promise<Metrics> {
  const { Counter, Gauge, Registry, collectDefaultMetrics } = await import('prom-client')
  const registry = new Registry()
  collectDefaultMetrics({ register: registry })
  const types = { counter: Counter, gauge: Gauge }
  const setters = Object.entries<Metric>(METRICS).map(([name, { type, help, labels, read }]) => {
    const metric = new types[type]({ name, help, labelNames: [...labels], registers: [registry] })
    return (figures: NodeFigures): void => {
      metric.reset()
      for (const sample of read(figures)) metric.inc(sample.labels, sample.value)
    }
  })
  return {
    contentType: registry.contentType,
    text: async (options) => {
      const figures = await node.figures(options)
      for (const set of setters) set(figures)
      return registry.metrics()
    }
  }
}

function summed(totals: NodeFigures['totals'], field: 'records' | 'bytes' | 'due' | 'paid'): Sample[] {
  return totals.map(({ role, rail, [field]: value }) => ({ labels: { role, rail }, value }))
}

import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { createMetrics } from '../../../src/node/index.ts'
import { METRICS } from '../../../src/node/metrics.ts'
import type { NodeFigures } from '../../../src/node/types.ts'

const DASHBOARD = new URL('../../../docs/operations/grafana.json', import.meta.url)

const FIGURES: NodeFigures = {
  totals: [
    { role: 'seller', rail: 'evm', state: 'closed', sessions: 2, records: 100, bytes: 5_000, due: 1_000, paid: 990 },
    { role: 'seller', rail: 'evm', state: 'disputed', sessions: 1, records: 7, bytes: 350, due: 70, paid: 0 },
    { role: 'buyer', rail: 'free', state: 'closed', sessions: 1, records: 5, bytes: 250, due: 0, paid: 0 }
  ],
  open: { buyer: 0, seller: 3 },
  connections: { inbound: 4, outbound: 1 },
  products: [{ listing: '0x5ea7', head: 8_759n }],
  held: [{ rail: 'evm', unclaimed: 430n, ageSeconds: 12.5 }],
  head: { number: 77n, timestamp: 1_795_000_000n },
  exposure: [
    { role: 'seller', rail: 'evm', window: 20n, unclaimed: 430n, unconfirmed: 5n, locked: 0n, bound: 455n },
    { role: 'buyer', rail: 'evm', window: 7n, unclaimed: 0n, unconfirmed: 0n, locked: 900n, bound: 907n }
  ],
  frozen: true,
  freeBytes: 1_024
}

async function metricsOf(figures: () => NodeFigures): Promise<() => Promise<string>> {
  const { text } = await createMetrics({ figures: async () => figures() })
  return text
}

test('sessions are added up by role and rail, and counted by state', async () => {
  const text = await (await metricsOf(() => FIGURES))()
  for (const line of [
    'ddm_session_records_total{role="seller",rail="evm"} 107',
    'ddm_session_bytes_total{role="seller",rail="evm"} 5350',
    'ddm_due_units_total{role="seller",rail="evm"} 1070',
    'ddm_paid_units_total{role="seller",rail="evm"} 990',
    'ddm_paid_units_total{role="buyer",rail="free"} 0',
    'ddm_sessions{role="seller",state="disputed"} 1',
    'ddm_open_sessions{role="seller"} 3',
    'ddm_open_sessions{role="buyer"} 0',
    'ddm_peers{direction="inbound"} 4',
    'ddm_product_records_total{listing="0x5ea7"} 8759',
    'ddm_unclaimed_units{rail="evm"} 430',
    'ddm_claim_age_seconds{rail="evm"} 12.5',
    'ddm_exposure_units{role="seller",rail="evm",part="window"} 20',
    'ddm_exposure_units{role="seller",rail="evm",part="unconfirmed"} 5',
    'ddm_exposure_units{role="buyer",rail="evm",part="locked"} 900',
    'ddm_chain_head_number 77',
    'ddm_wallet_frozen 1'
  ]) {
    assert.ok(text.split('\n').includes(line), `${line}\nis not in\n${text}`)
  }
  assert.match(text, /^process_cpu_seconds_total /m)
  assert.match(text, /^nodejs_eventloop_lag_seconds /m)
})

test('asked twice they are not twice as many, and what is gone is not told any more', async () => {
  let figures = FIGURES
  const text = await metricsOf(() => figures)
  await text()
  assert.match(await text(), /^ddm_session_records_total\{role="seller",rail="evm"\} 107$/m)
  figures = { ...FIGURES, products: [], held: [], head: undefined }
  const later = await text()
  assert.doesNotMatch(later, /^ddm_product_records_total\{|^ddm_claim_age_seconds\{/m)
})

test('two nodes of one process keep their own', async () => {
  const [one, two] = [
    await metricsOf(() => FIGURES),
    await metricsOf(() => ({ ...FIGURES, open: { buyer: 9, seller: 0 } }))
  ]
  await one()
  assert.match(await two(), /^ddm_open_sessions\{role="buyer"\} 9$/m)
  assert.match(await one(), /^ddm_open_sessions\{role="buyer"\} 0$/m)
})

test('names carry their unit', () => {
  for (const [name, { type, help }] of Object.entries(METRICS)) {
    assert.match(name, /^ddm_[a-z]+(_[a-z]+)*$/)
    assert.equal(name.endsWith('_total'), type === 'counter', name)
    assert.notEqual(help, '')
  }
})

test('the dashboard shows every metric of DDM, and none that does not exist', async () => {
  const dashboard = await readFile(DASHBOARD, 'utf8')
  const { panels } = JSON.parse(dashboard) as { panels: Array<{ id: number; targets?: Array<{ expr: string }> }> }
  assert.equal(new Set(panels.map(({ id }) => id)).size, panels.length)
  const expressions = panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr)).join('\n')
  const shown = new Set(expressions.match(/\b(ddm|nodejs|process)_[a-z0-9_]+/g))
  const told = new Set(
    [...(await (await metricsOf(() => FIGURES))()).matchAll(/^# TYPE (\S+)/gm)].map(([, name]) => name)
  )
  for (const name of shown) assert.ok(told.has(name), `${name} of the dashboard does not exist`)
  for (const name of Object.keys(METRICS)) assert.ok(shown.has(name), `${name} is not on the dashboard`)
})

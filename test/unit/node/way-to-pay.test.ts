import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Listing, ListingPayment, Payer, RailName } from '../../../src/interface/index.ts'
import { chooseWay } from '../../../src/node/way-to-pay.ts'

const EVM: ListingPayment = {
  rail: 'evm',
  network: 'eip155:1',
  asset: 'eip155:1/erc20:0x11',
  payTo: '0x22',
  price: { amount: '100', count: 1, unit: 'record' }
}
const IOTA: ListingPayment = { ...EVM, rail: 'iota', network: 'iota:00000001', asset: 'iota:00000001/slip44:4218' }

function listing(...payment: ListingPayment[]): Listing {
  return { id: '0x01', document: { payment } } as unknown as Listing
}

function payer({ rail, network, asset }: ListingPayment, lack?: string): Payer {
  const capability = { rail, ...(network && { network }), ...(asset && { asset }) }
  return { rail, capabilities: () => [capability], lacks: async () => lack } as unknown as Payer
}

const ALL: readonly RailName[] = ['free', 'evm', 'iota']

test('the first of the preference that listing and wallet share', async () => {
  const payers = [payer(EVM), payer(IOTA)]
  assert.equal((await chooseWay(listing(IOTA, EVM), payers, ALL)).payment, EVM)
  assert.equal((await chooseWay(listing(IOTA, EVM), payers, ['iota', 'evm'])).payment, IOTA)
  assert.equal((await chooseWay(listing(IOTA), payers, ALL)).payer.rail, 'iota')
})

test('a wallet that holds nothing of the one pays with the other', async () => {
  const payers = [payer(EVM, 'no tokens'), payer(IOTA)]
  assert.equal((await chooseWay(listing(EVM, IOTA), payers, ALL)).payment, IOTA)
})

test('with one way there is nothing to choose: what is missing is said by who opens it', async () => {
  assert.equal((await chooseWay(listing(EVM), [payer(EVM, 'no tokens')], ALL)).payment, EVM)
})

test('a wallet that can pay in no way says why, for each', async () => {
  const payers = [payer(EVM, 'no tokens'), payer(IOTA, 'no nanos')]
  await assert.rejects(chooseWay(listing(EVM, IOTA), payers, ALL), { code: 'funds', message: /no tokens; no nanos/ })
})

test('a wallet that can pay in no way gets what is given away, by the first', async () => {
  const payers = [payer(EVM, 'no tokens'), payer(IOTA, 'no nanos')]
  for (const max of [0n, '0', '0.00']) {
    assert.equal((await chooseWay(listing(EVM, IOTA), payers, ALL, { max })).payment, EVM)
  }
  for (const max of [1n, '0.01']) {
    await assert.rejects(chooseWay(listing(EVM, IOTA), payers, ALL, { max }), { code: 'funds' })
  }
})

test('another network, another asset, or a rail that the settings leave out is no way', async () => {
  const elsewhere = { ...EVM, network: 'eip155:2', asset: 'eip155:2/erc20:0x11' }
  const refused = { code: 'refused', message: /is paid by evm on eip155:2; this node pays by free, evm, iota/ }
  await assert.rejects(chooseWay(listing(elsewhere), [payer(EVM)], ALL), refused)
  await assert.rejects(chooseWay(listing(EVM), [payer(EVM)], ['iota']), { code: 'refused' })
  await assert.rejects(chooseWay(listing(EVM), [], ALL), { code: 'refused' })
})

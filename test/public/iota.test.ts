import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { requestIotaFromFaucetV0 } from '@iota/iota-sdk/faucet'
import { CID } from 'multiformats/cid'
import * as Digest from 'multiformats/hashes/digest'
import { createBudget, iotaAddress, iotaChainIdentifier, openIotaRail } from '../../src/payments/index.ts'
import { signStatement } from '../../src/statements/index.ts'
import { openLedger } from '../../src/storage/index.ts'
import { createCrypto } from '../simulation/crypto.ts'
import { silent } from '../support/sdpp.ts'
import { tempDir } from '../support/temp-dir.ts'

/**
 * npm run test:public: the iota rail against a public test network, with coins of its faucet. Not part of `npm test`, which
 * needs no network. Another network: IOTA_RPC, IOTA_FAUCET.
 */
const RPC = process.env.IOTA_RPC ?? 'https://indexer.testnet.iota.cafe'
const FAUCET = process.env.IOTA_FAUCET ?? 'https://faucet.testnet.iota.cafe'
const FAUCET_TIMEOUT_MS = 60_000

test(`a payment round on ${RPC}`, { timeout: 180_000 }, async (t) => {
  const chainIdentifier = await iotaChainIdentifier(RPC)
  const [signer] = (await createCrypto(true)).signers
  assert.ok(signer)
  const seeds = { buyer: randomBytes(32), seller: randomBytes(32) }
  const asset = `iota:${chainIdentifier}/slip44:4218`
  const open = async (name: keyof typeof seeds) => {
    const ledger = await openLedger({ path: join(await tempDir(t), `${name}.db`) })
    const rail = await openIotaRail({
      url: RPC,
      chainIdentifier,
      seed: seeds[name],
      issuer: signer.peerId,
      assetId: asset,
      transfers: ledger.transfers,
      budget: createBudget({ spending: ledger.book(asset).spending, limits: () => ({}) }),
      logger: silent
    })
    t.after(async () => {
      await rail.close()
      await ledger.close()
    })
    return rail
  }
  const [buyer, seller] = [await open('buyer'), await open('seller')]
  await requestIotaFromFaucetV0({ host: FAUCET, recipient: await iotaAddress(seeds.buyer) })
  const until = Date.now() + FAUCET_TIMEOUT_MS
  while ((await buyer.balance()) === 0n) {
    assert.ok(Date.now() < until, 'the faucet sent nothing')
    await sleep(1_000)
  }
  const payTo = await iotaAddress(seeds.seller)
  const price = { amount: '1000000', count: 1, unit: 'record' } as const
  const listing = { rail: 'iota', network: `iota:${chainIdentifier}`, asset, payTo, price } as const
  const terms = seller.payee.terms(listing)
  assert.ok(terms)
  const digest = (): `0x${string}` => `0x${randomBytes(32).toString('hex')}`
  const binding = { offerDigest: digest(), buyerPeerDigest: digest(), orderNonce: digest() }
  const session = CID.createV1(0x71, Digest.create(0x12, randomBytes(32)))
  const maximum = 10_000_000n
  const buying = await buyer.payer.open({ terms, binding, seller: 'seller', maximum, one: 1n })
  const selling = await seller.payee.accept({ terms, binding, order: buying.order, buyer: 'buyer', maximum })
  await buying.begin(session.toString())
  await selling.begin(session.toString())
  const startedAt = performance.now()
  for (const due of [2_000_000n, 5_000_000n]) {
    const invoice = { session, n: due / 1_000_000n, bytes: 0n, due, credited: 0n, root: new Uint8Array(32) }
    const { payload, signature } = signStatement(signer, 'invoice', invoice, Date.now())
    const paid = await buying.pay(due, { demand: { payload, signature } })
    await selling.credit(due, paid)
    assert.equal(selling.credited, due)
  }
  t.diagnostic(`two payment rounds in ${Math.round(performance.now() - startedAt)} ms`)
  assert.equal(await seller.balance(), 5_000_000n)
})

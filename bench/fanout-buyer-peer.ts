import { join } from 'node:path'
import { generateKeyPair } from '@libp2p/crypto/keys'
import type { PrivateKey } from '@libp2p/interface'
import { tcp } from '@libp2p/tcp'
import { tls } from '@libp2p/tls'
import { yamux } from '@libp2p/yamux'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p, type Libp2p } from 'libp2p'
import { assetId, connectChain, devAccounts, networkId, readProfile } from '../src/chain/index.ts'
import type { ChannelStore, Hex, Listing } from '../src/interface/index.ts'
import { createBudget, createEip712, evmPayer } from '../src/payments/index.ts'
import { BuyerSession, SDPP_PROTOCOL, systemClock } from '../src/protocols/sdpp/index.ts'
import { createSigner } from '../src/statements/index.ts'
import { openLedger } from '../src/storage/index.ts'
import { answer } from './child.ts'

/** Half of the buyers of the fan-out bench: `fanout-buyer-peer.ts HOME PROFILE`. Each has a libp2p instance and a wallet. */
const [home = '', network = ''] = process.argv.slice(2)
/** As in `fanout-raw-peer.ts`. */
const RAW_FANOUT = '/ddm/bench/fanout/1'
/** Sessions opened at a time. */
const OPENING = 16
const UNLIMITED = 1n << 100n
const logger = { debug: () => {}, info: () => {}, warn: () => {}, error: console.error }

const profile = await readProfile(network)
const ledger = await openLedger({ path: join(home, 'ledger.db'), logger })
const eip712 = await createEip712()
// Only to read the chain: sellers relay the deposits.
const [, account] = await devAccounts(2)
if (account === undefined) throw new Error('no dev account')
const wallet = { account: account.address, privateKey: account.privateKey }
const chain = await connectChain({ profile, wallet, logger })

interface Totals {
  buyers: number
  records: number
  bytes: number
  due: bigint
  credited: bigint
  latencies: number[]
}

interface Buy {
  address: string
  listing: Listing
  wallets: Hex[]
  records: number
  k: number
  maximum: bigint
}

interface Buyer {
  libp2p: Libp2p
  identity: PrivateKey
}

/** What a buyer that has begun will have got. */
interface Running {
  totals: Promise<Totals>
}

let buyers: Buyer[] = []
let running: Running[] = []

async function startBuyer(): Promise<Buyer> {
  const identity = await generateKeyPair('Ed25519')
  const libp2p = await createLibp2p({
    privateKey: identity,
    transports: [tcp()],
    connectionEncrypters: [tls()],
    streamMuxers: [yamux({ streamOptions: { maxStreamWindowSize: 2 * 1024 * 1024 } })],
    connectionGater: { denyDialMultiaddr: () => false },
    // As nodes have it: a busy second is no lost connection.
    connectionMonitor: { pingInterval: 15_000, pingTimeout: { minTimeout: 30_000 } }
  })
  return { libp2p, identity }
}

function payerOf(privateKey: Hex) {
  const { channels } = chain
  if (channels === undefined) throw new Error('no channels')
  const key = Buffer.from(privateKey.slice(2), 'hex')
  const digest = new Uint8Array(32)
  const address = eip712.recover(digest, eip712.sign(digest, key))
  if (address === undefined) throw new Error('not a key')
  const signer = { address, privateKey: key }
  // All share a ledger, but no wallet looks after the channels of another.
  const own: ChannelStore = {
    ...ledger.channels,
    payers: async (options) => (await ledger.channels.payers(options)).filter(({ config }) => config.payer === address)
  }
  const limits = {
    perRecord: UNLIMITED,
    perSession: UNLIMITED,
    perSeller: UNLIMITED,
    perHour: UNLIMITED,
    perDay: UNLIMITED
  }
  return evmPayer({
    chain: channels,
    channels: own,
    budget: createBudget({ spending: ledger.book('eip155:1').spending, limits: () => limits }),
    eip712,
    wallet: signer,
    voucherSigner: signer,
    networkId: networkId(profile),
    assetId: assetId(profile),
    maxWithdrawDelay: 7 * 86_400,
    maxDeposit: UNLIMITED,
    logger
  })
}

async function buy({ libp2p, identity }: Buyer, privateKey: Hex, order: Buy): Promise<Running> {
  const { address, listing, records, k, maximum } = order
  const stream = await libp2p.dialProtocol(multiaddr(address), SDPP_PROTOCOL)
  const wish = { from: { offset: 0n }, quantity: BigInt(records), k: BigInt(k), prepay: maximum, maximum }
  const session = new BuyerSession(
    stream,
    listing.peerId,
    { listing, wish, answering: 'every' },
    {
      signer: createSigner(libp2p.peerId.toString(), identity.raw.subarray(0, 32)),
      sessions: ledger.sessions,
      payers: [payerOf(privateKey)],
      clock: systemClock,
      logger
    }
  )
  await session.open()
  const take = async (): Promise<Totals> => {
    const totals: Totals = { buyers: 1, records: 0, bytes: 0, due: 0n, credited: 0n, latencies: [] }
    for await (const batch of session.batches()) {
      for (const { offset, bytes } of batch) {
        if (offset !== BigInt(totals.records)) throw new Error(`record ${offset} after ${totals.records}`)
        totals.records++
        totals.bytes += bytes.length
        totals.latencies.push(Date.now() - sentAt(bytes))
      }
    }
    const { due, credited } = await session.done
    return { ...totals, due, credited }
  }
  return begun(take())
}

/** A failure before anybody asks is told when asked. */
function begun(totals: Promise<Totals>): Running {
  totals.catch(() => {})
  return { totals }
}

/** The first eight bytes of a record are when it was made, Unix ms. */
function sentAt(record: Uint8Array): number {
  return Buffer.from(record.buffer, record.byteOffset, 8).readDoubleBE()
}

async function receiveRaw({ libp2p }: Buyer, address: string, expected: number): Promise<Running> {
  const stream = await libp2p.dialProtocol(multiaddr(address), RAW_FANOUT)
  const totals: Totals = { buyers: 1, records: 0, bytes: 0, due: 0n, credited: 0n, latencies: [] }
  return begun(
    new Promise<Totals>((resolve, reject) => {
      stream.addEventListener('message', ({ data }) => {
        totals.records++
        totals.bytes += data.byteLength
        if (totals.bytes >= expected) resolve(totals)
      })
      stream.addEventListener('close', ({ error }) => reject(error ?? new Error(`closed after ${totals.bytes} bytes`)))
    })
  )
}

async function beginAll(begin: (buyer: Buyer, index: number) => Promise<Running>): Promise<void> {
  running = []
  let next = 0
  const work = async (): Promise<void> => {
    for (let index = next++; index < buyers.length; index = next++) {
      running.push(await begin(buyers[index] as Buyer, index))
    }
  }
  await Promise.all(Array.from({ length: OPENING }, work))
}

async function finish(): Promise<Totals> {
  const all = await Promise.all(running.map(({ totals }) => totals))
  return {
    buyers: all.length,
    records: all.reduce((sum, { records }) => sum + records, 0),
    bytes: all.reduce((sum, { bytes }) => sum + bytes, 0),
    due: all.reduce((sum, { due }) => sum + due, 0n),
    credited: all.reduce((sum, { credited }) => sum + credited, 0n),
    latencies: all.flatMap(({ latencies }) => latencies)
  }
}

async function stopBuyers(): Promise<void> {
  await Promise.all(buyers.map(async ({ libp2p }) => await libp2p.stop()))
}

answer(
  {
    start: async ({ count }: { count: number }) => {
      await stopBuyers()
      buyers = await Promise.all(Array.from({ length: count }, startBuyer))
    },
    buy: async (order: Buy) => beginAll((buyer, index) => buy(buyer, order.wallets[index] as Hex, order)),
    receive: async ({ address, bytes }: { address: string; bytes: number }) =>
      beginAll((buyer) => receiveRaw(buyer, address, bytes)),
    finish
  },
  async () => {
    await stopBuyers()
    await chain.close()
    await ledger.close()
  }
)

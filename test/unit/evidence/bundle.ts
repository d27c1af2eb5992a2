import { createHash } from 'node:crypto'
import { encode } from '@ipld/dag-json'
import { CID } from 'multiformats/cid'
import * as Digest from 'multiformats/hashes/digest'
import { hashTypedData, recoverTypedDataAddress } from 'viem'
import { generatePrivateKey, type PrivateKeyAccount, privateKeyToAccount } from 'viem/accounts'
import { createRecordValidator } from '../../../src/data/index.ts'
import { encodeBundle } from '../../../src/evidence/bundle.ts'
import {
  type ChannelVerifier,
  exportBundle,
  type RecordJudge,
  type VerifyOptions,
  type VoucherVerifier
} from '../../../src/evidence/index.ts'
import {
  type Address,
  type ChannelConfig,
  type Hex,
  joinRecords,
  type ListingDocument,
  type RecordedDigest,
  type SignedStatement,
  type TranscriptPart,
  type Violation,
  type VoucherPayload
} from '../../../src/interface/index.ts'
import { sessionBinding } from '../../../src/protocols/sdpp/binding.ts'
import {
  encodeCanonical,
  type StatementFields,
  type StatementKind,
  type StatementSigner,
  sha256,
  signStatement,
  transcriptStart,
  transcriptStep
} from '../../../src/statements/index.ts'
import { signerOf } from '../../support/make-vectors.ts'
import { makeSigner } from '../../support/sdpp.ts'

/**
 * Everything of one sale: 600 records in three blocks at 100 per record, one voucher before, one for this session. Record
 * 5 of the second block, offset 261, breaks the schema.
 */

export const ESCROW: Address = `0x${'e5'.repeat(20)}`
const TOKEN: Address = `0x${'70'.repeat(20)}`
const PAY_TO: Address = `0x${'b0'.repeat(20)}`
const CHAIN_ID = 31337
export const BASE = 5_000n

const TYPES = {
  ChannelConfig: [
    { name: 'payer', type: 'address' },
    { name: 'payerAuthorizer', type: 'address' },
    { name: 'receiver', type: 'address' },
    { name: 'receiverAuthorizer', type: 'address' },
    { name: 'token', type: 'address' },
    { name: 'withdrawDelay', type: 'uint40' },
    { name: 'salt', type: 'bytes32' }
  ],
  Voucher: [
    { name: 'channelId', type: 'bytes32' },
    { name: 'maxClaimableAmount', type: 'uint128' }
  ],
  SessionAuth: [
    { name: 'channelId', type: 'bytes32' },
    { name: 'offerDigest', type: 'bytes32' },
    { name: 'buyerPeerDigest', type: 'bytes32' },
    { name: 'orderNonce', type: 'bytes32' }
  ]
} as const

function domain(chainId: number, escrow: Address, name = 'x402 Batch Settlement', version = '1') {
  return { name, version, chainId, verifyingContract: escrow }
}

function channelIdOf(config: ChannelConfig, chainId: number, escrow: Address): Hex {
  return hashTypedData({ domain: domain(chainId, escrow), types: TYPES, primaryType: 'ChannelConfig', message: config })
}

/** What the evm rail does, by viem. */
export const verifyVoucher: VoucherVerifier = async ({ config, voucher, chainId, escrow }) => {
  const { signature, ...message } = voucher
  const signer = await recoverTypedDataAddress({
    domain: domain(chainId, escrow),
    types: TYPES,
    primaryType: 'Voucher',
    message,
    signature
  }).catch(() => undefined)
  return { channelId: channelIdOf(config, chainId, escrow), signer: signer?.toLowerCase() as Address | undefined }
}

export const verifyChannel: ChannelVerifier = async ({ config, chainId, escrow, signature, offer, order }) => {
  const binding = sessionBinding(offer.link, order.issuer, order.content.nonce)
  const signer = await recoverTypedDataAddress({
    domain: domain(chainId, escrow, 'DDM SDPP', '2'),
    types: TYPES,
    primaryType: 'SessionAuth',
    message: { channelId: channelIdOf(config, chainId, escrow), ...binding },
    signature
  }).catch(() => undefined)
  return signer?.toLowerCase() as Address | undefined
}

/** What the data room does, in its thread. */
export const validate: RecordJudge = async (record, { encoding, jsonSchema, maxRecordBytes }) => {
  const rules = { encoding, schema: jsonSchema, maxRecordBytes: Number(maxRecordBytes) }
  const validator = await createRecordValidator(rules)
  try {
    return (await validator.check(joinRecords([record]), 1))?.reason
  } finally {
    await validator.close()
  }
}

export const SCHEMA = { type: 'object', required: ['celsius'], properties: { celsius: { type: 'number' } } }
const BAD = { part: 1, index: 5 }
export const BAD_RECORD = '{"celsius":"warm"}'

export interface SoldPart extends TranscriptPart {
  bytes: Uint8Array
}

/** What was sold, part by part. */
export const SOLD: readonly SoldPart[] = [
  { first: 40n, count: 216 },
  { first: 256n, count: 256 },
  { first: 512n, count: 128 }
].map(({ first, count }, part) => {
  const text = (index: number) =>
    part === BAD.part && index === BAD.index ? BAD_RECORD : `{"celsius":${Number(first) + index}}`
  const records = [...Array(count).keys()].map((index) => new TextEncoder().encode(text(index)))
  const bytes = joinRecords(records)
  return { first, count, bytes, digest: sha256(bytes) }
})

const SOLD_BAD = SOLD[BAD.part] as SoldPart
export const VIOLATION: Violation = {
  first: SOLD_BAD.first,
  index: BAD.index,
  bytes: SOLD_BAD.bytes,
  reason: 'as the buyer saw it'
}

export const JUDGES: VerifyOptions = { verifyVoucher, verifyChannel, verifyAccount: () => false, validate }

/** A filter for `Lie.statements`. */
export const without =
  (...kinds: string[]) =>
  (statements: SignedStatement[]): SignedStatement[] =>
    statements.filter(({ kind }) => !kinds.includes(kind))

export interface People {
  seller: StatementSigner
  buyer: StatementSigner
  stranger: StatementSigner
  voucherSigner: PrivateKeyAccount
  payer: PrivateKeyAccount
}

export async function makePeople(): Promise<People> {
  const [seller, buyer, stranger] = await Promise.all([makeSigner(), makeSigner(), makeSigner()])
  return {
    seller,
    buyer,
    stranger,
    voucherSigner: privateKeyToAccount(generatePrivateKey()),
    payer: privateKeyToAccount(generatePrivateKey())
  }
}

/** The same people every time: those of the vectors. */
export function knownPeople(): People {
  const [seller, buyer, stranger] = [signerOf(1), signerOf(2), signerOf(3)].map(({ signer }) => signer)
  return {
    seller,
    buyer,
    stranger,
    voucherSigner: privateKeyToAccount(`0x${'04'.repeat(32)}`),
    payer: privateKeyToAccount(`0x${'06'.repeat(32)}`)
  } as People
}

type Fields<K extends StatementKind> = Partial<StatementFields<K>>

/** What a cheat changes; everything after it is made, linked and signed as if it were right. */
export interface Lie {
  document?: Partial<ListingDocument>
  payment?: Partial<ListingDocument['payment'][number]>
  offer?: Fields<'offer'>
  price?: Partial<StatementFields<'offer'>['prices'][number]>
  order?: Fields<'order'>
  config?: Partial<ChannelConfig>
  accept?: Fields<'accept'>
  invoice?: Fields<'invoice'>
  receipt?: Fields<'receipt'>
  ack?: Fields<'receipt-ack'>
  signedBy?: { [K in StatementKind]?: StatementSigner }
  voucher?: { channelId?: Hex; signer?: PrivateKeyAccount; amount?: bigint }
  accepted?: { amount?: bigint }
  parts?: (parts: TranscriptPart[]) => TranscriptPart[]
  /** Other records than `SOLD`. */
  sold?: readonly SoldPart[]
  violation?: Violation
  /** Given to the export beside the statements. */
  held?: { channelId?: Hex; signer?: PrivateKeyAccount; amount?: bigint } | 'none'
  statements?: (statements: SignedStatement[]) => SignedStatement[]
  /** Other bytes than those that the offer links. */
  listing?: { cid?: string; bytes?: Uint8Array }
  session?: string
  /** Where statements were recorded. */
  recorded?: (statements: SignedStatement[]) => RecordedDigest[]
  /** Written as it is, past the export that would leave out what contradicts the rest. */
  raw?: boolean
}

/** At a price per KiB: ceil(4800 × 100 / 3072) is due. Records may be large, so k is lowered and the prepay is paid first. */
export const PER_KIB: Lie = {
  payment: { price: { amount: '100', count: 3, unit: 'KiB' } },
  price: { count: 3n, unit: 'KiB' },
  accept: { k: 5n, ahead: 2_000n },
  invoice: { due: 157n, credited: 2_000n },
  receipt: { due: 157n, credited: 2_000n, unused: 1_843n }
}

/** On the free rail: without a channel. */
export const FREE = {
  document: { payment: [{ rail: 'free', price: { amount: '0', count: 1, unit: 'record' } }] },
  offer: { prices: [{ rail: 'free', amount: 0n, count: 1n, unit: 'record', credit: 0n }] },
  order: { rail: 'free', config: undefined, channelAuth: undefined },
  accept: { base: undefined, proof: undefined, credit: 0n },
  invoice: { due: 0n, credited: 0n },
  receipt: { due: 0n, credited: 0n, proof: undefined },
  held: 'none'
} as unknown as Lie

export async function makeBundle(people: People, lie: Lie = {}): Promise<Uint8Array> {
  const { seller, buyer, voucherSigner, payer } = people
  const asset = `eip155:${CHAIN_ID}/erc20:${TOKEN}`
  const document: ListingDocument = {
    v: 1,
    id: `0x${'ab'.repeat(32)}`,
    title: 'Records of a test',
    description: 'Records of a test',
    seller: { peerId: seller.peerId },
    schema: { encoding: 'json', jsonSchema: SCHEMA },
    payment: [
      {
        rail: 'evm',
        network: `eip155:${CHAIN_ID}`,
        asset,
        payTo: PAY_TO,
        price: { amount: '100', count: 1, unit: 'record' },
        ...lie.payment
      }
    ],
    issuedAt: '2026-01-01T00:00:00Z',
    ...lie.document
  }
  const listingBytes = encode(document)
  const listing = CID.createV1(0x0129, Digest.create(0x12, createHash('sha256').update(listingBytes).digest()))
  const sign = <K extends StatementKind>(kind: K, signer: StatementSigner, fields: StatementFields<K>) =>
    signStatement(lie.signedBy?.[kind] ?? signer, kind, fields, 1_790_000_000_000)

  const offer = sign('offer', seller, {
    listing,
    listingId: document.id,
    version: 1n,
    buyer: buyer.peerId,
    nonce: new Uint8Array(16),
    prices: [
      {
        rail: 'evm',
        network: `eip155:${CHAIN_ID}`,
        asset,
        payTo: PAY_TO,
        receiverAuthorizer: `0x${'a1'.repeat(20)}`,
        escrow: ESCROW,
        withdrawDelay: 86_400n,
        amount: 100n,
        count: 1n,
        unit: 'record',
        credit: 10_000n,
        ...lie.price
      }
    ],
    k: { min: 1n, default: 20n, max: 1000n },
    epoch: 7n,
    tail: 0n,
    head: 1_000n,
    finished: true,
    schema: sha256(encodeCanonical(SCHEMA)),
    maxRecordBytes: 65_536n,
    resumeTtl: 86_400n,
    ttl: 120n,
    ...lie.offer
  })
  const config: ChannelConfig = {
    payer: payer.address.toLowerCase() as Address,
    payerAuthorizer: voucherSigner.address.toLowerCase() as Address,
    receiver: PAY_TO,
    receiverAuthorizer: `0x${'a1'.repeat(20)}`,
    token: TOKEN,
    withdrawDelay: 86_400,
    salt: `0x${'05'.repeat(32)}`,
    ...lie.config
  }
  const nonce = new Uint8Array(16).fill(1)
  const auth = {
    domain: domain(CHAIN_ID, ESCROW, 'DDM SDPP', '2'),
    types: TYPES,
    primaryType: 'SessionAuth' as const,
    message: { channelId: channelIdOf(config, CHAIN_ID, ESCROW), ...sessionBinding(offer.link, buyer.peerId, nonce) }
  }
  const channelAuth = await voucherSigner.signTypedData(auth)
  const accountAuth = await payer.signTypedData(auth)
  const order = sign('order', buyer, {
    offer: offer.link,
    nonce,
    price: 0n,
    rail: 'evm',
    config: { ...config, withdrawDelay: BigInt(config.withdrawDelay) },
    channelAuth,
    accountAuth,
    from: { offset: 40n },
    quantity: 600n,
    k: 20n,
    prepay: 2_000n,
    maximum: 1_000_000n,
    ...lie.order
  })
  const vouch = async (amount: bigint, channelId = channelIdOf(config, CHAIN_ID, ESCROW), signer = voucherSigner) => {
    const message = { channelId, maxClaimableAmount: amount }
    const typed = { domain: domain(CHAIN_ID, ESCROW), types: TYPES, primaryType: 'Voucher' as const, message }
    return { ...message, signature: await signer.signTypedData(typed) }
  }
  const session = order.link
  const accept = sign('accept', seller, {
    session,
    start: 40n,
    epoch: 7n,
    until: 640n,
    k: 20n,
    credit: 10_000n,
    ahead: 0n,
    base: BASE,
    proof: await vouch(lie.accepted?.amount ?? BASE),
    ...lie.accept
  })

  const right = (lie.sold ?? SOLD).map(({ first, count, digest }): TranscriptPart => ({ first, count, digest }))
  const parts = lie.parts?.(right) ?? right
  const root = right.reduce(transcriptStep, transcriptStart(session.bytes))
  const money = { n: 600n, bytes: 4_800n, due: 60_000n, credited: 60_000n }
  const invoice = sign('invoice', seller, { session, ...money, credited: 58_000n, root, ...lie.invoice })
  const { channelId, signer, amount } = lie.voucher ?? {}
  const proof = await vouch(amount ?? BASE + 60_000n, channelId, signer)
  const receipt = sign('receipt', seller, { session, ...money, unused: 0n, root, reason: 0n, proof, ...lie.receipt })
  const ack = sign('receipt-ack', buyer, { session, receipt: receipt.link, ...lie.ack })
  const { held = {} } = lie
  const voucher: VoucherPayload | undefined =
    held === 'none' ? undefined : await vouch(held.amount ?? BASE + 60_000n, held.channelId, held.signer)
  const statements: SignedStatement[] = [offer, order, accept, invoice, receipt, ack]
  const told = lie.statements?.(statements) ?? statements
  const recorded = lie.recorded?.(statements)
  if (lie.raw === true) {
    const { violation } = lie
    return encodeBundle({
      session,
      role: 'buyer',
      listing,
      listingBytes,
      statements: told.map(({ cid, payload, signature }) => ({ link: CID.parse(cid), payload, signature })),
      parts,
      ...(violation === undefined ? {} : { violation: { ...violation, part: BAD.part } }),
      ...(lie.held === undefined || voucher === undefined ? {} : { voucher }),
      ...(recorded === undefined ? {} : { recorded })
    })
  }
  return exportBundle({
    session: { id: lie.session ?? order.cid, role: 'buyer', state: 'closed' },
    statements: told,
    parts,
    voucher,
    violation: lie.violation,
    ...(recorded === undefined ? {} : { recorded }),
    listing: { cid: lie.listing?.cid ?? listing.toString(), bytes: lie.listing?.bytes ?? listingBytes }
  })
}

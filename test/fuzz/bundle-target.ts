import { CarBufferReader } from '@ipld/car/buffer-reader'
import { decode as decodeJson, encode as encodeJson } from '@ipld/dag-json'
import { CID } from 'multiformats/cid'
import * as Digest from 'multiformats/hashes/digest'
import { privateKeyToAccount } from 'viem/accounts'
import { compileRecordCheck } from '../../src/data/schema/compile.ts'
import { SchemaError } from '../../src/data/schema/schema-error.ts'
import { decodeBundle, encodeBundle } from '../../src/evidence/bundle.ts'
import { type VerifyOptions, verifyBundle } from '../../src/evidence/index.ts'
import { merkleTree } from '../../src/evidence/records/merkle.ts'
import { DdmError, type RecordedDigest, type SignedStatement } from '../../src/interface/index.ts'
import { createEip712 } from '../../src/payments/evm/index.ts'
import { sessionBinding } from '../../src/protocols/sdpp/index.ts'
import {
  createSigner,
  decodeCanonical,
  encodeCanonical,
  fromHex,
  type StatementSigner,
  sha256,
  signingBytes,
  statementLink,
  toHex,
  transcriptStart,
  transcriptStep
} from '../../src/statements/index.ts'
import type { Random } from '../simulation/random.ts'
import { makeBundle, type People, VIOLATION } from '../unit/evidence/bundle.ts'
import { mutateBytes } from './mutate-bytes.ts'
import { cborValue, jsonValue, mutateTree } from './mutate-tree.ts'
import { maker, sameBytes, type Target, vectors } from './target.ts'

const { keys } = vectors<{ keys: Array<{ seed: `0x${string}`; peerId: string }> }>('sdpp-statements')
const [seller, buyer] = keys.map(({ seed, peerId }) => createSigner(peerId, fromHex(seed))) as [
  StatementSigner,
  StatementSigner
]
const account = privateKeyToAccount(`0x${'07'.repeat(32)}`)
const people: People = { seller, buyer, stranger: buyer, voucherSigner: account, payer: account }

/** Two statements recorded together, one alone. */
function recorded(statements: SignedStatement[]): RecordedDigest[] {
  const [order, invoice, receipt] = ['order', 'invoice', 'receipt'].map((kind) =>
    sha256(statements.find((statement) => statement.kind === kind)?.payload ?? new Uint8Array(0))
  ) as [Uint8Array, Uint8Array, Uint8Array]
  const common = {
    medium: 'evm',
    network: 'eip155:31337',
    transaction: '0x01',
    by: '0x02',
    at: 1_790_000_000_000
  } as const
  const { root, proofs } = merkleTree([order, invoice])
  const together = [order, invoice].map((digest, index) => {
    return { ...common, digest, index, count: 2, root, proof: proofs[index] ?? [] }
  })
  return [...together, { ...common, digest: receipt, index: 0, count: 1 }]
}

/** Replaces links and byte strings wherever they occur. */
function replaceAll(value: unknown, by: ReadonlyMap<string, unknown>): unknown {
  if (value instanceof Uint8Array) return by.get(toHex(value)) ?? value
  const cid = CID.asCID(value)
  if (cid !== null) return by.get(cid.toString()) ?? cid
  if (Array.isArray(value)) return value.map((entry) => replaceAll(entry, by))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, entry]) => [key, replaceAll(entry, by)]))
}

/**
 * Changes listing, statements or the root as values, then hashes, links and signs everything after it as if it were right:
 * what is wrong then is what the statements say, and nothing cheaper finds it.
 */
function forge(random: Random, file: Uint8Array): Uint8Array {
  const bundle = decodeBundle(file)
  const chosen = random.int(-1, bundle.statements.length)
  const by = new Map<string, unknown>()
  if (chosen === -1) {
    bundle.listingBytes = encodeJson(mutateTree(random, decodeJson(bundle.listingBytes), jsonValue))
    const before = bundle.listing.toString()
    bundle.listing = CID.createV1(bundle.listing.code, Digest.create(0x12, sha256(bundle.listingBytes)))
    by.set(before, bundle.listing)
  }
  for (const [index, statement] of bundle.statements.entries()) {
    const before = statement.link
    const changed = replaceAll(decodeCanonical(statement.payload), by)
    const value = (index === chosen ? mutateTree(random, changed, cborValue) : changed) as Record<string, unknown>
    statement.payload = encodeCanonical(value)
    statement.link = statementLink(statement.payload)
    const signer = [seller, buyer].find(({ peerId }) => peerId === value.iss)
    if (signer !== undefined) statement.signature = signer.sign(signingBytes(String(value.kind), statement.payload))
    by.set(before.toString(), statement.link)
    if (before.equals(bundle.session)) {
      const rootOf = (cid: CID): Uint8Array => bundle.parts.reduce(transcriptStep, transcriptStart(cid.bytes))
      by.set(toHex(rootOf(before)), rootOf(statement.link))
      bundle.session = statement.link
    }
  }
  return encodeBundle(bundle)
}

/** The root says what it likes; its hash is right. */
function misstate(random: Random, file: Uint8Array): Uint8Array {
  const [root, ...rest] = CarBufferReader.fromBytes(file).blocks()
  const changed = encodeCanonical(mutateTree(random, decodeCanonical(root?.bytes ?? new Uint8Array(0)), cborValue))
  const header = encodeCanonical({ version: 1, roots: [statementLink(changed)] })
  const section = (...parts: Uint8Array[]): Uint8Array => {
    const bytes = Buffer.concat(parts)
    const varint: number[] = []
    let left = bytes.length
    for (; left >= 0x80; left >>>= 7) varint.push((left & 0x7f) | 0x80)
    return Buffer.concat([Uint8Array.from([...varint, left]), bytes])
  }
  const blocks = rest.map(({ cid, bytes }) => section(cid.bytes, bytes))
  return new Uint8Array(Buffer.concat([section(header), section(statementLink(changed).bytes, changed), ...blocks]))
}

export async function bundleTarget(): Promise<Target> {
  const eip712 = await createEip712()
  const options: VerifyOptions = {
    verifyAccount: () => false,
    verifyVoucher: ({ config, voucher, chainId, escrow }) => {
      const domain = eip712.escrowDomain(chainId, escrow)
      const channelId = eip712.channelId(domain, config)
      const digest = eip712.voucher(domain, voucher.channelId, voucher.maxClaimableAmount)
      return { channelId, signer: eip712.recover(digest, voucher.signature) }
    },
    verifyChannel: ({ config, chainId, escrow, signature, offer, order }) => {
      const channelId = eip712.channelId(eip712.escrowDomain(chainId, escrow), config)
      const binding = sessionBinding(offer.link, order.issuer, order.content.nonce)
      return eip712.recover(eip712.session(eip712.sessionDomain(chainId, escrow), channelId, binding), signature)
    },
    // The same code as in the validator's thread, which is too slow to ask a million times.
    validate: async (record, { encoding, jsonSchema, maxRecordBytes }) => {
      try {
        return compileRecordCheck({ encoding, schema: jsonSchema, maxRecordBytes: Number(maxRecordBytes) })(record)
      } catch (error) {
        if (!(error instanceof SchemaError || error instanceof RangeError)) throw error
        throw new DdmError('usage', error.message)
      }
    }
  }
  const seeds = [
    await makeBundle(people),
    await makeBundle(people, { violation: VIOLATION }),
    await makeBundle(people, { recorded })
  ]
  return {
    name: 'bundle',
    weight: 3,
    make: maker(seeds, mutateBytes, misstate, forge, forge),
    read: async (input) => {
      sameBytes('bundle', input, encodeBundle(decodeBundle(input)))
      await verifyBundle(input, options)
      return true
    },
    refusal: (error) => error instanceof DdmError && error.code === 'evidence'
  }
}

import { decode as decodeCbor, encode as encodeCbor } from '@ipld/dag-cbor'
import { decode as decodeJson } from '@ipld/dag-json'
import { DdmError, type Hex, type VoucherPayload } from '../../src/interface/index.ts'
import { createEip712, voucherProblem } from '../../src/payments/evm/index.ts'
import { decodeAnnouncement, encodeAnnouncement } from '../../src/registry/announcement.ts'
import { decodeDocument, encodeDocument } from '../../src/registry/index.ts'
import { decodeCanonical, encodeCanonical, FieldError, fromHex, voucher } from '../../src/statements/index.ts'
import type { Random } from '../simulation/random.ts'
import { mutateBytes } from './mutate-bytes.ts'
import { cborValue, jsonValue, mutateTree } from './mutate-tree.ts'
import { Flaw, fromHexText, maker, sameBytes, type Target, vectors } from './target.ts'

const { documents, announcements } = vectors<{
  documents: Array<{ block: string }>
  announcements: Array<{ bytes: string }>
}>('registry')
const { vouchers, invalidVouchers, chainId, escrow, channels } = vectors<{
  vouchers: Array<{ channelId: Hex; maxClaimableAmount: string; signature: Hex }>
  invalidVouchers: Array<{ name: string; channelId: Hex; maxClaimableAmount: string; signature: Hex }>
  chainId: number
  escrow: Hex
  channels: Array<{ channelId: Hex; config: { payerAuthorizer: Hex } }>
}>('payments')

/** Canonical in its order of keys only where the writer says so: what else JSON allows is for the decoder to refuse. */
function mutateJson(random: Random, bytes: Uint8Array): Uint8Array {
  const value = mutateTree(random, decodeJson(bytes), jsonValue)
  return new TextEncoder().encode(JSON.stringify(sorted(value)) ?? 'null')
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted)
  if (typeof value !== 'object' || value === null) return value
  const keys = Object.keys(value).sort()
  return Object.fromEntries(keys.map((key) => [key, sorted((value as Record<string, unknown>)[key])]))
}

const isDdmError = (error: unknown): boolean => error instanceof DdmError
const encodedVouchers = [...vouchers, ...invalidVouchers].map(({ channelId, maxClaimableAmount, signature }) =>
  encodeCanonical({ channelId: fromHex(channelId), maxClaimableAmount, signature: fromHex(signature) })
)
const nameOf = ({ channelId, maxClaimableAmount, signature }: VoucherPayload): string =>
  `${channelId} ${maxClaimableAmount} ${signature}`
const genuine = new Set(
  vouchers.map(({ maxClaimableAmount, ...rest }) => nameOf({ ...rest, maxClaimableAmount: BigInt(maxClaimableAmount) }))
)
// Two of the wrong ones are one change away from what was signed, which a mutation finds.
for (const { name, maxClaimableAmount, signature, channelId } of invalidVouchers) {
  const amount = BigInt(maxClaimableAmount)
  if (name === 'signed for another amount') {
    genuine.add(nameOf({ channelId, maxClaimableAmount: amount + 1n, signature }))
  }
  if (name === 'flipped v') {
    const mended: Hex = `0x${signature.slice(2, -2)}${signature.endsWith('1b') ? '1c' : '1b'}`
    genuine.add(nameOf({ channelId, maxClaimableAmount: amount, signature: mended }))
  }
}

export async function marketTargets(): Promise<Target[]> {
  const eip712 = await createEip712()
  const domain = eip712.escrowDomain(chainId, escrow)
  const authorizers = new Map(channels.map(({ channelId, config }) => [channelId, config.payerAuthorizer]))
  return [
    {
      name: 'document',
      weight: 8,
      make: maker(
        documents.map(({ block }) => new TextEncoder().encode(block)),
        mutateBytes,
        mutateJson
      ),
      read: (input) => {
        sameBytes('document', input, encodeDocument(decodeDocument(input)).bytes)
        return true
      },
      refusal: isDdmError
    },
    {
      name: 'announcement',
      weight: 6,
      make: maker(
        announcements.map(({ bytes }) => fromHexText(bytes)),
        mutateBytes,
        (random, bytes) => encodeCbor(mutateTree(random, decodeCbor(bytes), cborValue))
      ),
      read: (input) => {
        sameBytes('announcement', input, encodeAnnouncement(decodeAnnouncement(input)))
        return true
      },
      refusal: isDdmError
    },
    {
      name: 'voucher',
      weight: 8,
      make: maker(encodedVouchers, mutateBytes, (random, bytes) =>
        encodeCanonical(mutateTree(random, decodeCanonical(bytes), cborValue))
      ),
      read: (input) => {
        const payload = voucher.decode(decodeCanonical(input), 'voucher')
        const payerAuthorizer = authorizers.get(payload.channelId) ?? escrow
        const problem = voucherProblem(eip712, domain, payload, { channelId: payload.channelId, payerAuthorizer })
        if ((problem === undefined) !== genuine.has(nameOf(payload))) {
          throw new Flaw(problem === undefined ? 'a voucher that nobody signed is taken' : `refused: ${problem}`)
        }
        return true
      },
      refusal: (error) => error instanceof FieldError
    }
  ]
}

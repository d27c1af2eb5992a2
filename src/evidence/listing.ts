import { decode } from '@ipld/dag-json'
import { FieldError, list, map, oneOf, optional, text, u64, type ValueOf } from '../statements/index.ts'
import { broken } from './failure.ts'

/** What evidence needs of a listing document; its own schema is the registry's to check. */
const shape = {
  id: text(66, /^0x[0-9a-f]{64}$/),
  title: text(1_000),
  seller: map({ peerId: text(128) }),
  signers: optional(list(text(128), 64)),
  payment: list(
    map({
      rail: oneOf('evm', 'free'),
      network: optional(text(128)),
      asset: optional(text(128)),
      payTo: optional(text(42)),
      price: map({ amount: text(39, /^(0|[1-9][0-9]*)$/), count: u64, unit: oneOf('record', 'KiB') })
    }),
    64
  ),
  freeRange: optional(map({ from: u64, to: u64 }))
}

export type ListedTerms = ValueOf<typeof shape>

export function readListing(bytes: Uint8Array): ListedTerms {
  try {
    return map(shape).decode(decode(bytes), 'listing')
  } catch (error) {
    const problem = error instanceof FieldError ? error.message : 'not dag-json'
    throw broken('listing', 'a listing document', problem, error)
  }
}

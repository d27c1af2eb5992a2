import { BaseError, decodeErrorResult, type Hex, toFunctionSelector } from 'viem'
import type { AbortOptions } from '../interface/index.ts'
import { DdmError } from '../interface/index.ts'
import {
  allowanceCollectorAbi,
  channelEscrowAbi,
  eip3009CollectorAbi,
  listingRegistryAbi,
  testTokenAbi
} from './abi.ts'

/** Every custom error a call of ours can meet; a collector's or a token's comes up through the escrow. */
const ERRORS = [
  ...new Map(
    [...listingRegistryAbi, ...channelEscrowAbi, ...eip3009CollectorAbi, ...allowanceCollectorAbi, ...testTokenAbi]
      .filter((item) => item.type === 'error')
      .map((item) => [toFunctionSelector(`${item.name}(${item.inputs.map(({ type }) => type).join(',')})`), item])
  ).values()
]

/** Why a contract refused a call. */
export interface Revert {
  /** Name of the custom error; `Error` and `Panic` are Solidity's own; undefined when the node gave no data. */
  name: string | undefined
  /** `ClaimExceedsBalance(channelId 0x…, totalClaimed 5, balance 3)` */
  text: string
  details: Record<string, string>
}

function causes(error: unknown): unknown[] {
  const chain: unknown[] = []
  for (let at = error; at !== undefined && at !== null && chain.length < 16; at = (at as { cause?: unknown }).cause) {
    chain.push(at)
  }
  return chain
}

/** The first cause of a class, for errors that libraries wrap. */
export function findCause<T>(error: unknown, type: abstract new (...args: never[]) => T): T | undefined {
  return causes(error).find((cause) => cause instanceof type) as T | undefined
}

/** What an error says, causes included, for matching the words that nodes use. */
export function errorText(error: unknown): string {
  return causes(error)
    .flatMap((cause) => [(cause as Error).message, (cause as { details?: unknown }).details])
    .filter((text) => typeof text === 'string')
    .join('\n')
}

/** The short form of an error for a message: without the request body and version that viem adds. */
export function shortText(error: unknown): string {
  const chain = causes(error)
  const inner = chain.findLast((cause) => cause instanceof BaseError)
  if (inner !== undefined) return inner.details || inner.shortMessage
  const root = chain.findLast((cause) => cause instanceof Error)
  return root?.message ?? String(error)
}

function revertData(error: unknown): Hex | undefined {
  for (const cause of causes(error)) {
    const data = (cause as { data?: unknown }).data
    if (typeof data === 'string' && /^0x([0-9a-f]{8,})?$/i.test(data)) return data as Hex
  }
  return undefined
}

/** Reads a refused call out of an RPC error; undefined when the error is no revert. */
export function revertOf(error: unknown): Revert | undefined {
  const data = revertData(error)
  if (data === undefined && !/execution reverted|revert(ed)?\b/i.test(errorText(error))) return undefined
  return describeRevert(data ?? '0x', shortText(error))
}

/** Decodes revert data by the ABIs of our contracts; `fallback` is said when nothing fits. */
export function describeRevert(data: Hex, fallback = 'reverted without a reason'): Revert {
  if (data.length >= 10) {
    try {
      const { errorName, args, abiItem } = decodeErrorResult({ abi: ERRORS, data })
      const inputs: readonly { name?: string | undefined }[] = abiItem.type === 'error' ? abiItem.inputs : []
      const values: readonly unknown[] = args ?? []
      const named = values.map((value, i) => [inputs[i]?.name ?? String(i), String(value)] as const)
      return {
        name: errorName,
        text: `${errorName}(${named.map(([name, value]) => `${name} ${value}`).join(', ')})`,
        details: Object.fromEntries(named)
      }
    } catch {
      return { name: undefined, text: `${fallback} (unknown error data ${data.slice(0, 74)})`, details: {} }
    }
  }
  return { name: undefined, text: fallback, details: {} }
}

/** The error that a caller sees for a refused transaction. */
export function refusal(
  label: string,
  revert: Revert,
  details: Record<string, string> = {},
  cause?: unknown
): DdmError {
  return new DdmError('chain', `${label}: the contract refused: ${revert.text}`, {
    cause,
    details: { ...(revert.name === undefined ? {} : { error: revert.name }), ...revert.details, ...details }
  })
}

export function aborted(what: string, cause?: unknown): DdmError {
  return new DdmError('aborted', `${what} was stopped`, { cause })
}

export function throwIfAborted(what: string, options?: AbortOptions): void {
  if (options?.signal?.aborted === true) throw aborted(what, options.signal.reason)
}

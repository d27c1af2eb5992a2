import { type Command, Option } from 'commander'
import { RAIL_NAMES, type RailName } from '../interface/index.ts'
import type { BuyOptions, ResumeOptions } from '../node/index.ts'
import { startFrom, timeSpanOrNone, wholeNumber } from './arguments.ts'

/** What may be said of a purchase that goes on, too. */
export interface ResumeFlags {
  resumeFor?: number
  check: boolean
  onInvalid?: 'stop' | 'drop'
  refund?: boolean
}

/** What may be said of every purchase. */
export interface WishFlags extends Omit<ResumeFlags, 'refund'> {
  records?: number
  from?: string
  rail?: RailName
  maxPrice?: string
  k?: number
  prepay?: string
}

type Wish = Pick<BuyOptions, Exclude<keyof WishFlags, 'check'> | 'checkSchema'>

/** What the same flag means in one command and not in another. */
export interface WishWords {
  records: string
  from: string
  rail: string
  resumeFor: string
  onInvalid: string
}

/** Of one purchase. */
export const ON_INVALID =
  'for a record that breaks the JSON Schema: stop, pay nothing from it on and keep the proof (default); or drop it, paid for like any other'

/** The options that say what is bought and how it is paid. */
export function wishOptions(command: Command, words: WishWords): Command {
  command
    .option('-n, --records <number>', words.records, wholeNumber(1))
    .option('--from <start>', words.from)
    .addOption(new Option('--rail <rail>', words.rail).choices(RAIL_NAMES))
    .option('--max-price <amount>', 'highest price per record (or KiB), in whole tokens')
    .option('--k <number>', 'records per invoice', wholeNumber(1))
    .option('--prepay <amount>', 'most that is paid before it was received, in whole tokens')
  return resumeOptions(command, words)
}

/** Those of them that are not in the order: each run says them anew. */
export function resumeOptions(command: Command, words: Pick<WishWords, 'resumeFor' | 'onInvalid'>): Command {
  return command
    .option('--resume-for <span>', words.resumeFor, timeSpanOrNone)
    .option('--no-check', "do not check the records against the listing's JSON Schema")
    .addOption(new Option('--on-invalid <action>', words.onInvalid).choices(['stop', 'drop']))
}

export function refundOption(command: Command): Command {
  return command.option('--refund', 'ask the seller to pay back at the end what the channel still holds')
}

export function wishOf({ records, from, rail, maxPrice, k, prepay, resumeFor, check, onInvalid }: WishFlags): Wish {
  const start = from === undefined ? undefined : startFrom(from)
  return given({ records, from: start, rail, maxPrice, k, prepay, resumeFor, onInvalid, checkSchema: check })
}

export function resumeOf({ resumeFor, check, onInvalid, refund }: ResumeFlags): Omit<ResumeOptions, 'signal'> {
  return given({ resumeFor, onInvalid, refund, checkSchema: check })
}

/** Without what was not said. */
export function given<T extends object>(said: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(said).filter(([, value]) => value !== undefined)) as never
}

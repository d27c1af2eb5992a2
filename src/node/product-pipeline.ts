import {
  createRecordValidator,
  eachRecord,
  everyNth,
  InvalidRecords,
  judgedBy,
  limitBytes,
  ON_INVALID,
  oncePer,
  parsePath,
  type RecordTransform,
  selectFields
} from '../data/index.ts'
import { DdmError, type ListingDraft, type RecordValidator } from '../interface/index.ts'
import { timeField } from './time-field.ts'
import type { SellOptions } from './types.ts'

/** What OFFER states when the listing names no limit. */
const MAX_LISTED_RECORD_BYTES = 65_536

type PipelineOptions = Pick<
  SellOptions,
  'source' | 'select' | 'every' | 'interval' | 'time' | 'onInvalid' | 'onDrop' | 'checkSchema' | 'signal'
>

/** What happens to records between a source and the log of its product. */
export interface ProductPipeline {
  /** @param known - how many records of a finite source an earlier run got into the log, when it is read from its start */
  transforms: (known: bigint) => RecordTransform[]
  readonly dropped: number
  close: () => Promise<void>
}

/**
 * Thins out, selects, judges: in this order, so that what is judged is what is sold.
 *
 * @throws DdmError `usage` for options that cannot work, and for a schema that nobody could check
 */
export async function productPipeline(
  document: Pick<ListingDraft['document'], 'schema'>,
  options: PipelineOptions
): Promise<ProductPipeline> {
  const { source, onInvalid = 'stop' } = options
  if (!ON_INVALID.includes(onInvalid)) {
    throw new DdmError('usage', `onInvalid "${String(onInvalid)}" is neither ${ON_INVALID.join(' nor ')}`)
  }
  const invalid = new InvalidRecords(options)
  const { encoding, jsonSchema, maxRecordBytes } = document.schema
  if (encoding !== 'json' && (options.select !== undefined || options.time !== undefined)) {
    throw new DdmError('usage', `select and time name fields of JSON records; the listing's encoding is ${encoding}`)
  }
  const chosen = chosenTransforms(document, options, invalid)
  const validator: RecordValidator | undefined =
    jsonSchema === undefined || options.checkSchema === false
      ? undefined
      : await createRecordValidator({ encoding, schema: jsonSchema }, options)
  return {
    transforms: (known) => [
      ...chosen,
      limitBytes(maxRecordBytes ?? MAX_LISTED_RECORD_BYTES, invalid.refuse),
      ...(validator === undefined ? [] : [judgedBy(validator, invalid.refuse)]),
      ...(source.finite ? [after(known)] : [])
    ],
    get dropped() {
      return invalid.dropped
    },
    close: async () => validator?.close()
  }
}

function chosenTransforms(
  document: Pick<ListingDraft['document'], 'schema'>,
  { source, select, every, interval, time = timeField(document) }: PipelineOptions,
  { refuse }: InvalidRecords
): RecordTransform[] {
  if (time !== undefined) parsePath(time)
  if (interval !== undefined && time === undefined && source.finite) {
    throw new DdmError(
      'usage',
      `interval: ${source.name} is read at once, so its records need a time of their own; name its field with time, or use every`
    )
  }
  return [
    ...(every === undefined ? [] : [everyNth(every)]),
    ...(interval === undefined ? [] : [oncePer(interval, refuse, time === undefined ? {} : { time })]),
    ...(select === undefined ? [] : [selectFields(select, refuse)])
  ]
}

/** Drops records that the log has. */
function after(head: bigint): RecordTransform {
  return eachRecord(() => {
    let offset = 0n
    return (record) => (offset++ >= head ? record : undefined)
  })
}

import { type DataSource, DdmError } from '../../interface/index.ts'
import { csv } from './csv.ts'
import { jsonLines, jsonLinesFile } from './json-lines.ts'
import type { ProblemOptions } from './problems.ts'
import { telemetry } from './telemetry.ts'

export interface SourceOptions extends ProblemOptions {
  /**
   * Telemetry: time between records, in ms.
   *
   * @default 100
   */
  periodMs?: number
}

const KINDS = 'telemetry, csv:FILE, jsonl:FILE or stdin'

/**
 * The source that `--source` names.
 *
 * @example
 * ```ts
 * parseSource('csv:weather.csv', { onError: 'skip' })
 * ```
 *
 * @throws DdmError `usage` when there is no such kind of source.
 */
export function parseSource(spec: string, options: SourceOptions = {}): DataSource {
  const colon = spec.indexOf(':')
  const kind = colon === -1 ? spec : spec.slice(0, colon)
  const file = colon === -1 ? undefined : spec.slice(colon + 1)
  if (kind === 'telemetry' || kind === 'stdin') {
    if (file !== undefined) throw new DdmError('usage', `source "${spec}": ${kind} takes nothing after a colon`)
    if (kind === 'stdin') return jsonLines('stdin', () => process.stdin, options)
    const { periodMs = 100 } = options
    if (!(periodMs >= 1)) throw new DdmError('usage', `source telemetry: a period of ${periodMs} ms is too short`)
    return telemetry({ periodMs })
  }
  if (kind === 'csv' || kind === 'jsonl') {
    if (file === undefined || file === '')
      throw new DdmError('usage', `source "${spec}" names no file; write ${kind}:FILE`)
    return kind === 'csv' ? csv(file, options) : jsonLinesFile(file, options)
  }
  throw new DdmError('usage', `there is no source "${spec}"; use ${KINDS}`)
}

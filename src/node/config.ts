import { readFile } from 'node:fs/promises'
import { DdmError } from '../interface/index.ts'
import {
  flagOf,
  type NodeConfig,
  SETTING_NAMES,
  SETTINGS,
  type Setting,
  type SettingName,
  variableOf
} from './config/settings.ts'
import { errnoOf } from './files.ts'

export {
  describeSettings,
  flagOf,
  type NodeConfig,
  SETTINGS,
  type SettingName,
  type TextSetting,
  variableOf
} from './config/settings.ts'

/** Variables that are no settings: where the home is, and what opens its keys. */
const OTHER_VARIABLES = new Set(['DDM_HOME', 'DDM_PASSPHRASE', 'DDM_PASSPHRASE_FILE'])

export interface ConfigSources {
  /** Values of command-line flags by setting name, as commander gives them: `{ logLevel: 'debug' }`. */
  flags?: Record<string, unknown>
  /** Values given by code. They win over the environment and the file, and are checked like those. */
  overrides?: Partial<NodeConfig>
  /** @default process.env */
  env?: Record<string, string | undefined>
  /** `config.json`; it need not exist. */
  file?: string
}

/** A setting's value and where it came from: `--listen`, `DDM_LISTEN`, `/…/config.json`, `default`. */
export interface LoadedConfig {
  config: NodeConfig
  sources: Record<SettingName, string>
}

interface Candidate {
  value: unknown
  /** In the words of the user: what to correct. */
  source: string
}

/**
 * Reads the settings: flags win over `DDM_*` variables, those over `config.json`, that over the defaults. Nothing
 * unknown is passed over: a misspelt budget would otherwise be no budget.
 *
 * Throws `usage` for a flag and `config` for a variable or the file, naming source and value.
 *
 * @example
 * ```ts
 * const { config } = await loadConfig({ flags: { logLevel: 'debug' }, file: paths.config })
 * config.claimInterval // 600000 ms
 * ```
 */
export async function loadConfig({
  flags = {},
  overrides = {},
  env = process.env,
  file
}: ConfigSources = {}): Promise<LoadedConfig> {
  const fromFile = file === undefined ? {} : await readConfigFile(file)
  refuseUnknownVariables(env)

  const config: Record<string, unknown> = {}
  const sources: Record<string, string> = {}
  for (const name of SETTING_NAMES) {
    const variable = variableOf(name)
    const candidates: Candidate[] = [
      { value: flags[name], source: flagOf(name) },
      { value: overrides[name], source: `config.${name}` },
      { value: env[variable] === '' ? undefined : env[variable], source: variable },
      { value: fromFile[name], source: `"${name}" in ${file}` }
    ]
    const given = candidates.find(({ value }) => value !== undefined)
    config[name] = given === undefined ? defaultOf(SETTINGS[name]) : read(name, given)
    sources[name] = given?.source ?? 'default'
  }
  return { config: config as NodeConfig, sources: sources as Record<SettingName, string> }
}

function defaultOf({ read, default: fallback }: Setting<unknown>): unknown {
  return fallback === undefined ? undefined : read(fallback)
}

function read(name: SettingName, { value, source }: Candidate): unknown {
  try {
    return SETTINGS[name].read(value)
  } catch (error) {
    if (!(error instanceof TypeError)) throw error
    const shown = JSON.stringify(value) ?? String(value)
    throw new DdmError(source.startsWith('--') ? 'usage' : 'config', `${source} is ${shown}; give ${error.message}`, {
      cause: error,
      details: { source, value: shown }
    })
  }
}

/**
 * Settings that somebody changes while the node runs, checked and read. Throws `usage` naming flag and value.
 *
 * @param flagFor - how the command that changes them names them
 */
export function checkedSettings(
  values: Partial<Record<SettingName, unknown>>,
  flagFor: (name: SettingName) => string
): Partial<NodeConfig> {
  const named = Object.entries(values) as Array<[SettingName, unknown]>
  return Object.fromEntries(named.map(([name, value]) => [name, read(name, { value, source: flagFor(name) })]))
}

/** What the file says, unread values and all; an empty object without a file. */
export async function readConfigFile(path: string): Promise<Record<string, unknown>> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return {}
    throw new DdmError('config', `cannot read ${path}: ${errnoOf(error)}`, { cause: error })
  }
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw new DdmError('config', `${path} is not JSON: ${(error as Error).message}`, { cause: error })
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new DdmError('config', `${path} does not hold an object like { "logLevel": "debug" }`)
  }
  for (const [name, setting] of Object.entries(value)) {
    if (!isSettingName(name)) throw unknown(`"${name}" in ${path}`, name, (known) => `"${known}"`)
    // A bare number would be milliseconds here and seconds in somebody's head.
    if (typeof setting === 'number' && name in TIME_SPANS)
      read(name, { value: `${setting}`, source: `"${name}" in ${path}` })
  }
  return value as Record<string, unknown>
}

const TIME_SPANS: Partial<Record<SettingName, true>> = {
  claimInterval: true,
  withdrawDelay: true,
  maxWithdrawDelay: true
}

function refuseUnknownVariables(env: Record<string, string | undefined>): void {
  const known = new Set(SETTING_NAMES.map(variableOf))
  for (const name of Object.keys(env)) {
    if (!name.startsWith('DDM_') || known.has(name) || OTHER_VARIABLES.has(name)) continue
    throw unknown(`the variable ${name}`, name, variableOf)
  }
}

function isSettingName(name: string): name is SettingName {
  return Object.hasOwn(SETTINGS, name)
}

function unknown(what: string, name: string, write: (known: SettingName) => string): DdmError {
  const normal = (text: string): string => text.replace(/^DDM_/, '').replaceAll('_', '').toLowerCase()
  const near = SETTING_NAMES.find((known) => distance(normal(known), normal(name)) <= 2)
  const hint = near === undefined ? `known are ${SETTING_NAMES.map(write).join(', ')}` : `did you mean ${write(near)}?`
  return new DdmError('config', `${what} is not a setting; ${hint}`)
}

/** Levenshtein distance. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const swap = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min(swap, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1))
    }
    row = next
  }
  return row[b.length] ?? 0
}

import { checkedSettings, flagOf, type NodeConfig, readConfigFile, type SettingName } from './config.ts'
import { writeFileAtomic } from './files.ts'
import { createHome, type HomePaths } from './home.ts'
import type { BudgetChange } from './types.ts'

const SETTING: Readonly<Record<keyof BudgetChange, SettingName>> = {
  perRecord: 'budgetPerRecord',
  perSession: 'budgetPerSession',
  perSeller: 'budgetPerSeller',
  perHour: 'budgetPerHour',
  perDay: 'budgetPerDay',
  deposit: 'budgetDeposit',
  sellers: 'budgetSellers'
}

/**
 * What changes the caps of a running node. Durable before it holds: a cap that was lowered stays lowered. One change waits
 * for the other: each writes the whole file.
 */
export function budgetChanger({
  paths,
  config
}: {
  paths: Pick<HomePaths, 'config'>
  config: NodeConfig
}): (change: BudgetChange) => Promise<void> {
  let last: Promise<void> = Promise.resolve()
  return (change) => {
    last = last
      .catch(() => {})
      .then(async () => {
        Object.assign(config, await writeBudget(paths.config, change))
      })
    return last
  }
}

/** `ddm budget set` says `budget` already: `--per-day`. */
const flagOfSet = (name: SettingName): string => flagOf(name).replace(/^--budget-/, '--')

/** The caps as settings, read. Throws `usage` naming flag and value. */
export function checkedBudget(change: BudgetChange, flagFor = flagOfSet): Partial<NodeConfig> {
  return checkedSettings(settingsOf(change), flagFor)
}

function settingsOf(change: BudgetChange): Record<string, unknown> {
  const named = Object.entries(change).filter(([, value]) => value !== undefined)
  return Object.fromEntries(named.map(([cap, value]) => [SETTING[cap as keyof BudgetChange], value]))
}

async function writeBudget(path: string, change: BudgetChange): Promise<Partial<NodeConfig>> {
  const settings = settingsOf(change)
  const checked = checkedBudget(change)
  const file = await readConfigFile(path)
  await writeFileAtomic(path, `${JSON.stringify({ ...file, ...settings }, null, 2)}\n`)
  return checked
}

/** The same for a home on which no node runs. */
export async function changeBudgetOf(home: string, change: BudgetChange): Promise<void> {
  const { config } = await createHome(home)
  await writeBudget(config, change)
}

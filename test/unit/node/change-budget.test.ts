import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { budgetChanger } from '../../../src/node/change-budget.ts'
import { changeBudgetOf, initHome, type NodeConfig } from '../../../src/node/index.ts'
import { tempDir } from '../../support/temp-dir.ts'

test('a cap that is none is named by the flag of the command that gave it', async (t) => {
  const home = join(await tempDir(t), 'home')
  const says = (work: Promise<unknown>, message: RegExp) => assert.rejects(work, { code: 'usage', message })
  await says(changeBudgetOf(home, { perDay: 'x' }), /^--per-day is "x"; give an amount in whole tokens/)
  await says(changeBudgetOf(home, { deposit: '-1' }), /^--deposit is "-1"/)
  await says(changeBudgetOf(home, { sellers: ['x'] }), /^--sellers is \["x"\]; give peer IDs/)
  await says(initHome({ home, budget: { perDay: 'x' } }), /^--budget-per-day is "x"/)
})

test('of caps that are changed at once none is lost, and one that is refused stops no other', async (t) => {
  const file = join(await tempDir(t), 'config.json')
  const config = {} as NodeConfig
  const change = budgetChanger({ paths: { config: file }, config })
  const day = change({ perDay: '5' })
  const refused = assert.rejects(change({ deposit: 'x' }), { code: 'usage' })
  await Promise.all([day, refused, change({ perHour: '1' }), change({ perSeller: '2' })])
  const budget = { budgetPerDay: '5', budgetPerHour: '1', budgetPerSeller: '2' }
  assert.deepEqual(JSON.parse(await readFile(file, 'utf8')), budget)
  assert.deepEqual(Object.keys(config).sort(), Object.keys(budget))
})

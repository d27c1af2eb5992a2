import assert from 'node:assert/strict'
import { join } from 'node:path'
import { test } from 'node:test'
import { changeBudgetOf, initHome } from '../../../src/node/index.ts'
import { tempDir } from '../../support/temp-dir.ts'

test('a cap that is none is named by the flag of the command that gave it', async (t) => {
  const home = join(await tempDir(t), 'home')
  const says = (work: Promise<unknown>, message: RegExp) => assert.rejects(work, { code: 'usage', message })
  await says(changeBudgetOf(home, { perDay: 'x' }), /^--per-day is "x"; give an amount in whole tokens/)
  await says(changeBudgetOf(home, { deposit: '-1' }), /^--deposit is "-1"/)
  await says(changeBudgetOf(home, { sellers: ['x'] }), /^--sellers is \["x"\]; give peer IDs/)
  await says(initHome({ home, budget: { perDay: 'x' } }), /^--budget-per-day is "x"/)
})

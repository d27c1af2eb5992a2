import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import type { DdmError } from '../../../src/interface/index.ts'
import { describeSettings, flagOf, loadConfig, SETTINGS, variableOf } from '../../../src/node/config.ts'
import { tempDir } from '../../support/temp-dir.ts'

const PEER = '12D3KooWC2yv9dw2j3VuQRqE9XbPhnNaLBi857nbxAtYm5dat6xV'

test('flags win over code, variables, the file and defaults', async (t) => {
  const file = join(await tempDir(t), 'config.json')
  await writeFile(file, JSON.stringify({ logLevel: 'warn', credit: '1', prepay: '1', claimInterval: '1h', listen: [] }))
  const { config, sources } = await loadConfig({
    flags: { logLevel: 'debug' },
    overrides: { logLevel: 'trace', credit: '4', withdrawDelay: 1_800_000 },
    env: { DDM_LOG_LEVEL: 'error', DDM_CREDIT: '2', DDM_PREPAY: '3', DDM_ROLE: '', PATH: '/bin' },
    file
  })
  assert.equal(config.logLevel, 'debug')
  assert.equal(config.credit, '4')
  assert.equal(config.prepay, '3')
  assert.equal(config.claimInterval, 3_600_000)
  assert.equal(config.withdrawDelay, 1_800_000)
  assert.equal(config.role, 'full')
  assert.deepEqual(config.listen, [])
  assert.deepEqual(
    [sources.logLevel, sources.credit, sources.prepay, sources.claimInterval, sources.role],
    ['--log-level', 'config.credit', 'DDM_PREPAY', `"claimInterval" in ${file}`, 'default']
  )
})

test('all defaults are valid and no file is needed', async (t) => {
  const { config } = await loadConfig({ env: {}, file: join(await tempDir(t), 'none.json') })
  assert.deepEqual(Object.keys(config), Object.keys(SETTINGS))
  assert.equal(config.logFile, undefined)
  assert.equal(config.withdrawDelay, 24 * 3_600_000)
  assert.deepEqual((await loadConfig({ env: {} })).config, config)
})

test('lists are arrays, or text with commas', async () => {
  const env = { DDM_RPC: 'http://a.example, wss://b.example/x?y=1' }
  const flags = { listen: ['/ip4/127.0.0.1/tcp/0', '/p2p-circuit'], bootstrap: `/dns4/b.example/tcp/1/p2p/${PEER}` }
  const { config } = await loadConfig({ env, flags })
  assert.deepEqual(config.rpc, ['http://a.example', 'wss://b.example/x?y=1'])
  assert.deepEqual(config.listen, flags.listen)
  assert.deepEqual(config.bootstrap, [flags.bootstrap])
})

test('a wrong value is refused naming its source and the value', async (t) => {
  const file = join(await tempDir(t), 'config.json')
  const wrong: Array<[string, unknown]> = [
    ['role', 'king'],
    ['listen', ['127.0.0.1:80']],
    ['listen', [1]],
    ['bootstrap', ['/ip4/127.0.0.1/tcp/1']],
    ['rpc', ['file:///etc/passwd']],
    ['logLevel', 'loud'],
    ['insecureDevKeys', 'yes'],
    ['credit', '-1'],
    ['credit', '1e3'],
    ['credit', 'NaN'],
    ['credit', 0.01],
    ['budgetPerDay', '1,5'],
    ['budgetPerDay', null],
    ['claimInterval', '600'],
    ['claimInterval', '1s'],
    ['claimInterval', 600_000],
    ['withdrawDelay', '31d'],
    ['maxConnections', '0'],
    ['maxConnections', 1.5],
    ['logFile', ''],
    ['logMaxSize', '10mb'],
    ['logMaxSize', '0'],
    ['logMaxSize', '2g'],
    ['logKeep', 0]
  ]
  for (const [name, value] of wrong) {
    await writeFile(file, JSON.stringify({ [name]: value }))
    await assert.rejects(loadConfig({ env: {}, file }), (error: DdmError) => {
      assert.equal(error.code, 'config', `${name} ${JSON.stringify(value)}`)
      assert.ok(
        error.message.startsWith(`"${name}" in ${file} is ${JSON.stringify(value)}`.replace('600000', '"600000"'))
      )
      return true
    })
  }
  const flag = loadConfig({ env: {}, flags: { maxConnections: 'many' } })
  await assert.rejects(flag, { code: 'usage', message: /^--max-connections is "many"; give a whole number from 1/ })
  const variable = loadConfig({ env: { DDM_BUDGET_PER_HOUR: '€5' } })
  await assert.rejects(variable, { code: 'config', message: /^DDM_BUDGET_PER_HOUR is "€5"; give an amount/ })
})

test('sizes carry a unit or are MiB', async () => {
  for (const [value, mebibytes] of [
    ['512k', 0.5],
    ['10m', 10],
    ['1g', 1024],
    ['7', 7]
  ] as const) {
    const { config } = await loadConfig({ env: { DDM_LOG_MAX_SIZE: value } })
    assert.equal(config.logMaxSize, mebibytes)
    assert.equal(
      (await loadConfig({ env: {}, overrides: { logMaxSize: config.logMaxSize } })).config.logMaxSize,
      mebibytes
    )
  }
})

test('unknown names are refused, with the near one', async (t) => {
  const file = join(await tempDir(t), 'config.json')
  await writeFile(file, '{"budgetPerHuor":"1"}')
  await assert.rejects(loadConfig({ env: {}, file }), { code: 'config', message: /did you mean "budgetPerHour"\?/ })
  await writeFile(file, '{"__proto__":{"credit":"9"},"credit":"1"}')
  await assert.rejects(loadConfig({ env: {}, file }), { code: 'config', message: /__proto__/ })
  const typo = loadConfig({ env: { DDM_BUDGET_PERDAY: '1' } })
  await assert.rejects(typo, { code: 'config', message: /DDM_BUDGET_PERDAY.*did you mean DDM_BUDGET_PER_DAY\?/ })
  await loadConfig({ env: { DDM_HOME: '/x', DDM_PASSPHRASE: 'y', DDM_PASSPHRASE_FILE: 'z' } })
  for (const text of ['[]', 'null', '"x"', '{']) {
    await writeFile(file, text)
    await assert.rejects(loadConfig({ env: {}, file }), { code: 'config' })
  }
})

test('flags and variables follow from the name, and the table lists them all', () => {
  assert.equal(flagOf('budgetPerHour'), '--budget-per-hour')
  assert.equal(variableOf('budgetPerHour'), 'DDM_BUDGET_PER_HOUR')
  assert.equal(describeSettings().split('\n').length, Object.keys(SETTINGS).length + 2)
})

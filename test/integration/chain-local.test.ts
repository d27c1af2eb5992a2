import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { test } from 'node:test'
import { deployContracts, devAccounts, fundDevAccount, startLocalChain } from '../../src/chain/index.ts'
import type { Hex } from '../../src/interface/index.ts'
import { tempDir } from '../support/temp-dir.ts'
import { accountAt, eventually, rpcCall, silent, startMarket } from './chain-fixture.ts'

function runs(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

test('it listens on a free port and is gone after close', async (t) => {
  const [one, two] = await Promise.all([startLocalChain(), startLocalChain()])
  t.after(() => Promise.all([one.close(), two.close()]))
  assert.notEqual(one.port, two.port)
  const genesis = ({ rpcUrl }: { rpcUrl: string }) =>
    rpcCall<{ hash: Hex }>(rpcUrl, 'eth_getBlockByNumber', ['0x0', false])
  assert.notEqual((await genesis(one)).hash, (await genesis(two)).hash, 'chains of the same second can be told apart')
  await one.close()
  await one.exited
  assert.equal(runs(one.pid), false)
  assert.equal(await rpcCall(two.rpcUrl, 'eth_chainId'), '0x7a69')
})

test('an occupied port is named, whoever holds it', async (t) => {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  const { port } = server.address() as { port: number }
  await assert.rejects(startLocalChain({ port }), { code: 'portInUse', message: new RegExp(`port ${port} on 127`) })
  const chain = await startLocalChain()
  t.after(() => chain.close())
  await assert.rejects(startLocalChain({ port: chain.port }), { code: 'portInUse' })
})

test('the chain is kept in its state file', async (t) => {
  const statePath = join(await tempDir(t), 'state.json')
  const { local, connectAs, profile } = await startMarket(t, { statePath })
  const { hash } = await (await connectAs(1)).registry.head()
  await local.close()
  const again = await startLocalChain({ statePath })
  t.after(() => again.close())
  const block = await rpcCall<{ hash: Hex }>(again.rpcUrl, 'eth_getBlockByNumber', ['latest', false])
  assert.equal(block.hash, hash)
  assert.notEqual(await rpcCall(again.rpcUrl, 'eth_getCode', [profile.contracts.escrow, 'latest']), '0x')
})

test('an aborted start leaves nothing behind, and a later abort ends the chain', async () => {
  await assert.rejects(startLocalChain({ signal: AbortSignal.abort() }), { code: 'aborted' })
  await assert.rejects(startLocalChain({ signal: AbortSignal.timeout(1) }), { code: 'aborted' })
  const control = new AbortController()
  const chain = await startLocalChain({ signal: control.signal })
  control.abort()
  await chain.exited
  assert.equal(runs(chain.pid), false)
})

for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
  test(`it dies with the process that started it (${signal})`, async (t) => {
    const room = new URL('../../src/chain/index.ts', import.meta.url).href
    const script = `const { startLocalChain } = await import(${JSON.stringify(room)})
      console.log((await startLocalChain()).pid)`
    const parent = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit']
    })
    t.after(() => parent.kill('SIGKILL'))
    const [chunk] = await once(parent.stdout, 'data')
    const pid = Number(String(chunk))
    assert.ok(runs(pid))
    parent.kill(signal)
    await eventually('anvil has ended', () => (runs(pid) ? undefined : true))
  })
}

test('dev accounts are funded by several processes at once', async (t) => {
  const { profile, accounts, connectAs } = await startMarket(t)
  assert.equal(accountAt(accounts, 0).address, '0xf39fd6e51aad88f6f4ce6ab8827279cfffb92266')
  const address = '0x00000000000000000000000000000000000000ee'
  await Promise.all(
    Array.from({ length: 8 }, () => fundDevAccount({ profile, address, native: 3n, token: 5n, logger: silent }))
  )
  const chain = await connectAs(1)
  assert.equal(await chain.nativeBalance(address), 24n)
  assert.equal(await chain.tokenBalance(address), 40n)

  const { dev: _, ...publicChain } = profile.chain
  const init = { profile: { ...profile, chain: publicChain }, address, native: 3n, logger: silent } as const
  await assert.rejects(fundDevAccount(init), { code: 'config', message: /no dev chain/ })
})

test('deploying takes an existing token and escrow, and refuses what is none', async (t) => {
  const { profile, local, accounts } = await startMarket(t)
  const { privateKey } = accountAt(accounts, 3)
  const init = { rpcUrl: local.rpcUrl, privateKey, name: 'second', logger: silent }
  await assert.rejects(deployContracts(init), { code: 'usage', message: /--token ADDRESS/ })
  const token = profile.tokens[0]?.address as Hex
  const nothing = '0x00000000000000000000000000000000000000ee'
  await assert.rejects(deployContracts({ ...init, token: nothing }), { code: 'usage', message: /ERC-20/ })
  await assert.rejects(deployContracts({ ...init, token, escrow: nothing }), { code: 'usage', message: /no escrow/ })
  const { escrow } = profile.contracts
  const second = await deployContracts({ ...init, token, escrow, confirmations: 1 })
  assert.deepEqual(second.tokens, profile.tokens)
  assert.equal(second.contracts.escrowCodeHash, profile.contracts.escrowCodeHash)
  assert.equal(second.chain.dev, undefined)
  assert.notEqual(second.contracts.registry, profile.contracts.registry)
  assert.equal((await devAccounts(2)).length, 2)
})

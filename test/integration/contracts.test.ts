import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { delimiter, dirname, join } from 'node:path'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import * as abi from '../../src/chain/abi.ts'
import { foundryBinary } from '../support/foundry.ts'

const contracts = fileURLToPath(new URL('../../contracts/', import.meta.url))

interface Result {
  code: number | string
  output: string
}

function run(file: string, args: string[]): Promise<Result> {
  // forge starts solc.mjs through its #! line, which must find the Node that runs this test.
  const PATH = `${dirname(process.execPath)}${delimiter}${process.env.PATH ?? ''}`
  const options = { cwd: contracts, env: { ...process.env, PATH, NO_COLOR: '1' }, maxBuffer: 64 * 1024 * 1024 }
  return new Promise((resolve) => {
    execFile(file, args, options, (error, stdout, stderr) => {
      resolve({ code: error?.code ?? error?.signal ?? 0, output: stdout + stderr })
    })
  })
}

describe('contracts', () => {
  it('pass their forge tests within the gas limits and equal to the gas snapshot', async () => {
    const { code, output } = await run(foundryBinary('forge'), ['test', '--json'])
    assert.equal(code, 0, output)
    // A run that found no tests would end with 0 as well.
    for (const suite of [
      'ChannelEscrowTest',
      'ChannelEscrowInvariants',
      'DepositCollectorsTest',
      'GasTest',
      'RecordsTest'
    ]) {
      assert.match(output, new RegExp(`:${suite}"`))
    }
  })

  it('were tested as the bytecode that is shipped', async () => {
    const shipped = {
      ListingRegistry: abi.listingRegistryBytecode,
      ChannelEscrow: abi.channelEscrowBytecode,
      Records: abi.recordsBytecode,
      Eip3009Collector: abi.eip3009CollectorBytecode,
      AllowanceCollector: abi.allowanceCollectorBytecode,
      TestToken: abi.testTokenBytecode
    }
    for (const [name, bytecode] of Object.entries(shipped)) {
      const artifact = JSON.parse(await readFile(join(contracts, `out/${name}.sol/${name}.json`), 'utf8')) as {
        bytecode: { object: string }
      }
      assert.equal(artifact.bytecode.object, bytecode, `${name}: forge and contracts/build.ts compile differently`)
    }
  })

  it('have an up-to-date src/chain/abi.ts', async () => {
    const { code, output } = await run(process.execPath, ['build.ts', '--check'])
    assert.equal(code, 0, output)
  })

  it('are formatted', async () => {
    const { code, output } = await run(foundryBinary('forge'), ['fmt', '--check'])
    assert.equal(code, 0, output)
  })
})

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { createProgram } from '../../src/cli/program.ts'
import { loadConfig } from '../../src/node/config.ts'

/** What the files for Docker and systemd say of `ddm`, and of this repository, is so. */

const ROOT = new URL('../../', import.meta.url)
const UNITS = readdirSync(new URL('deploy/systemd/', ROOT)).map((name) => `deploy/systemd/${name}`)

function read(name: string): string {
  return readFileSync(new URL(name, ROOT), 'utf8')
}

/** Arguments after each match: in JSON, which YAML may spread over lines, with a comma after the last one. */
function listsAfter(text: string, start: RegExp): string[][] {
  return [...text.matchAll(new RegExp(`${start.source}\\s*(\\[[^\\]]*\\])$`, 'gm'))].map(
    ([, list = '']) => JSON.parse(list.replace(/,\s*\]$/, ']')) as string[]
  )
}

const DOCKERFILE = read('Dockerfile')
const COMPOSE = read('compose.yaml')
const COMMANDS: Array<[where: string, args: string[]]> = [
  ...listsAfter(DOCKERFILE, /^CMD/).map((args): [string, string[]] => ['Dockerfile', args]),
  ...listsAfter(COMPOSE, /^ {4}command:/).map((args): [string, string[]] => ['compose.yaml', args]),
  ...[...COMPOSE.matchAll(/^# +docker compose exec \w+ ddm ([^#\n]+)/gm)].map(([, args = '']): [string, string[]] => [
    'compose.yaml',
    args.trim().split(' ')
  ]),
  ...UNITS.flatMap((unit) =>
    [...read(unit).matchAll(/^ExecStart=\/usr\/bin\/env ddm (.+)$/gm)].map(([, args = '']): [string, string[]] => [
      unit,
      args.split(' ')
    ])
  )
]

test('every file has its command lines, and ddm understands them', async () => {
  const count = (name: string): number => COMMANDS.filter(([where]) => where === name).length
  assert.deepEqual(
    ['Dockerfile', 'compose.yaml', ...UNITS].map(count),
    [1, 6, ...UNITS.map(() => 1)],
    JSON.stringify(COMMANDS)
  )
  for (const [where, args] of COMMANDS) {
    let acted = 0
    const program = createProgram(() => async () => {
      acted += 1
    })
    await assert.doesNotReject(program.parseAsync(args, { from: 'user' }), `${where}: ddm ${args.join(' ')}`)
    assert.equal(acted, 1, `${where}: ddm ${args.join(' ')}`)
  }
})

test('every variable that they set is one of the settings, with a value that is read', async () => {
  const texts = [DOCKERFILE.replace(/\s(?=DDM_)/g, '\n'), COMPOSE, ...UNITS.map(read)]
  for (const text of texts) {
    const variables = [...text.matchAll(/^(?:Environment=|\s*)(DDM_[A-Z_]+)(?:=|: )(\S+)$/gm)]
    assert.notEqual(variables.length, 0, text)
    await loadConfig({ env: Object.fromEntries(variables.map(([, name = '', value]) => [name, value])) })
  }
})

test('the image is made of files that there are, and does not run as root', () => {
  const stages = DOCKERFILE.split(/^FROM /m).slice(1)
  assert.equal(stages.length, 2)
  const ignored = read('.dockerignore')
    .split('\n')
    .filter((line) => line !== '')
  for (const [, sources = ''] of DOCKERFILE.matchAll(/^COPY (?!--from)(.+) \S+$/gm)) {
    for (const source of sources.split(' ')) {
      assert.ok(existsSync(new URL(source, ROOT)), `COPY ${source}`)
      assert.ok(!ignored.includes(source), `${source} is in .dockerignore`)
    }
  }
  const { files } = JSON.parse(read('package.json')) as { files: string[] }
  for (const file of files) assert.match(stages[1] ?? '', new RegExp(`^COPY .*\\b${file}\\b`, 'm'), `no ${file}`)
  assert.match(stages[1] ?? '', /^USER node$/m)
  // The image and the units call it by its name.
  assert.equal(statSync(new URL('bin/ddm.js', ROOT)).mode & 0o111, 0o111, 'bin/ddm.js is not executable')
})

test('its health is what the API says', () => {
  const [probe] = listsAfter(DOCKERFILE, / +CMD/)
  assert.equal(probe?.[0], 'node')
  const port = /DDM_API=0\.0\.0\.0:(\d+)/.exec(DOCKERFILE)?.[1]
  assert.ok(probe?.[2]?.includes(`http://127.0.0.1:${port}/health`))
  // Nobody listens there now.
  const script = probe?.[2]?.replace(`:${port}`, ':1') ?? ''
  assert.equal(spawnSync(process.execPath, ['-e', script]).status, 1)
})

test('systemd takes the units', (t) => {
  if (spawnSync('systemd-analyze', ['--version']).status !== 0) {
    if (process.env.CI === 'true') assert.fail('systemd-analyze is not installed')
    return t.skip('systemd-analyze is not installed: the units are not verified')
  }
  const files = UNITS.map((unit) => fileURLToPath(new URL(unit, ROOT)))
  const { status, stderr } = spawnSync('systemd-analyze', ['verify', ...files], { encoding: 'utf8' })
  assert.equal(status, 0, stderr)
  // A key that it does not know is passed over, and only said. It also speaks of other units of the machine.
  assert.deepEqual(
    stderr.split('\n').filter((line) => files.some((file) => line.includes(file))),
    []
  )
})

// Runs a command of the project with the Node 24 that npm brings, installing the dependencies first when they are missing.
// Plain JavaScript for any Node ≥ 18: this is the first thing that a fresh clone runs.
import { spawn, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = fileURLToPath(new URL('..', import.meta.url))
const bin = join(root, 'node_modules', '.bin')

/** Installs from the lock file unless a complete install is there. All output goes to stderr: stdout is the command's. */
export function install() {
  if (existsSync(join(root, 'node_modules', '.package-lock.json'))) return
  process.stderr.write('Installing dependencies (npm ci), about a minute …\n')
  const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm'
  const args = ['ci', '--no-audit', '--no-fund', '--loglevel=error']
  const done = spawnSync(npm, args, { cwd: root, stdio: ['ignore', 2, 2], shell: process.platform === 'win32' })
  if (done.status !== 0) {
    process.stderr.write('npm ci failed; see above. Try again with a network connection to the npm registry.\n')
    process.exit(1)
  }
}

/** Node ≥ 24: the one that runs this, else the one in node_modules. */
export function node24() {
  if (Number(process.versions.node.split('.')[0]) >= 24) return process.execPath
  const local = join(bin, process.platform === 'win32' ? 'node.exe' : 'node')
  const found = existsSync(local) ? spawnSync(local, ['--version'], { encoding: 'utf8' }).stdout : undefined
  if (found !== undefined && Number(found.slice(1).split('.')[0]) >= 24) return local
  process.stderr.write(
    `DDM needs Node 24 or newer; this is ${process.version} and npm brought none for ${process.platform} ${process.arch}.\n` +
      'Install it from https://nodejs.org and try again.\n'
  )
  process.exit(3)
}

/** Runs `node args…`, passing signals on, and ends with its exit code. */
export function runNode(args) {
  install()
  const env = {
    // Most of what is run here starts many processes of the same modules.
    NODE_COMPILE_CACHE: join(root, 'node_modules', '.cache', 'compiled'),
    ...process.env,
    PATH: `${bin}${delimiter}${process.env.PATH ?? ''}`
  }
  const child = spawn(node24(), args, { cwd: root, stdio: 'inherit', env })
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
  child.on('exit', (code, signal) => process.exit(code ?? (signal === 'SIGINT' ? 130 : 143)))
}

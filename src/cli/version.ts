import { readFileSync } from 'node:fs'

/** Folder of the package: two above this file, and two above `dist/lib`, where the build puts everything. */
export function packageRoot(): URL {
  return new URL('../../', import.meta.url)
}

export function version(): string {
  const { version: text } = JSON.parse(readFileSync(new URL('package.json', packageRoot()), 'utf8')) as {
    version: string
  }
  return text
}

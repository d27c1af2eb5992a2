import type { DestinationStream } from 'pino'

const COLORS: Record<string, string> = { error: '31', warn: '33', debug: '2', trace: '2' }

/** Turns JSON lines into `12:00:01 warn registry: message key=value` for a terminal. */
export function humanStream(target: DestinationStream): DestinationStream {
  return { write: (line) => target.write(humanLine(line)) }
}

export function humanLine(line: string): string {
  const { level, time, component, msg, ...fields } = JSON.parse(line) as Record<string, unknown>
  const clock = new Date(Number(time)).toTimeString().slice(0, 8)
  const color = COLORS[String(level)]
  const label = color === undefined ? String(level) : `\u001b[${color}m${String(level)}\u001b[0m`
  const room = component === undefined ? '' : `${textOf(component)}: `
  const rest = Object.entries(fields).map(([name, value]) => ` ${name}=${textOf(value)}`)
  return `${clock} ${label} ${room}${typeof msg === 'string' ? msg : ''}${rest.join('')}\n`
}

function textOf(value: unknown): string {
  return typeof value === 'string' && !/[\s"=]/.test(value) ? value : JSON.stringify(value)
}

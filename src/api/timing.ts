/** Calls at once and then every `ms`, never two at a time; returns the function that ends it. */
export function every(ms: number, act: () => void | Promise<void>): () => void {
  let busy = false
  const tick = async (): Promise<void> => {
    if (busy) return
    busy = true
    try {
      await act()
    } catch {
      // What is asked for again soon need not be told now.
    } finally {
      busy = false
    }
  }
  const timer = setInterval(() => void tick(), ms)
  void tick()
  return () => clearInterval(timer)
}

import { useState } from 'preact/hooks'
import { formatUnits } from '../../interface/index.ts'
import { api } from '../client/api.ts'
import type { BudgetChange, Wallet } from '../client/types.ts'
import { Field } from '../parts/field.tsx'
import { Problem } from '../parts/problem.tsx'

const CAPS = [
  ['perRecord', 'One record'],
  ['perSession', 'One purchase'],
  ['perSeller', 'One seller in a day'],
  ['perHour', 'In an hour'],
  ['perDay', 'In a day'],
  ['deposit', 'Deposit with one seller']
] as const

/** The caps that hold before anything is signed, whoever asks. */
export function BudgetForm({ wallet, onChange }: { wallet: Wallet; onChange: () => void }) {
  const { symbol, decimals, budget } = wallet
  const [change, setChange] = useState<BudgetChange>({})
  const [error, setError] = useState<unknown>(undefined)
  const [said, setSaid] = useState('')
  const save = async (): Promise<void> => {
    setError(undefined)
    setSaid('')
    try {
      await api.setBudget(change)
      setChange({})
      setSaid('The caps hold from now on.')
      onChange()
    } catch (problem) {
      setError(problem)
    }
  }
  return (
    <form
      aria-labelledby="caps"
      onSubmit={(event) => {
        event.preventDefault()
        void save()
      }}
    >
      <h2 id="caps">Caps</h2>
      <p class="quiet">The most that this node spends, whoever asks it to.</p>
      <div class="caps">
        {CAPS.map(([name, label]) => (
          <Field
            key={name}
            label={label}
            unit={symbol}
            value={change[name] ?? formatUnits(BigInt(budget[name]), decimals)}
            input={{ inputMode: 'decimal', pattern: '[0-9]+([.][0-9]+)?', required: true }}
            onValue={(text) => setChange({ ...change, [name]: text })}
          />
        ))}
      </div>
      <Problem error={error} />
      <div class="actions">
        <button type="submit" disabled={Object.keys(change).length === 0}>
          Change caps
        </button>
        <span role="status">{said}</span>
      </div>
    </form>
  )
}

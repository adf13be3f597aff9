// Small parts that several views are made of.

import type { ComponentChildren } from 'preact';
import { useEffect, useId, useRef, useState } from 'preact/hooks';
import { wordsOf } from '../failure';

// A view's heading takes the focus, so that keyboards and screen readers begin there.
export function Heading({ children, title }: { children: ComponentChildren; title: string }) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    scrollTo(0, 0);
    heading.current?.focus({ preventScroll: true });
  }, []);
  useEffect(() => {
    document.title = `${title} - Point clouds`;
  }, [title]);
  return (
    <h1 ref={heading} tabIndex={-1}>
      {children}
    </h1>
  );
}

export function Problem({ text }: { text: string }) {
  return text ? (
    <p class="problem" role="alert">
      {text}
    </p>
  ) : null;
}

interface ActionProps {
  label: string;
  run: () => Promise<unknown>;
  failed: (text: string) => void;
  kind?: string;
}

// A button that cannot be pressed again while what it began goes on.
export function Action({ label, run, failed, kind = '' }: ActionProps) {
  const [busy, setBusy] = useState(false);
  async function press(): Promise<void> {
    setBusy(true);
    failed('');
    try {
      await run();
    } catch (error) {
      failed(wordsOf(error));
    } finally {
      setBusy(false);
    }
  }
  return (
    <button type="button" class={kind} disabled={busy} onClick={() => void press()}>
      {label}
    </button>
  );
}

interface DialogProps {
  title: string;
  close: () => void;
  children: ComponentChildren;
}

export function Dialog({ title, close, children }: DialogProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  const id = useId();
  useEffect(() => dialog.current?.showModal(), []);
  return (
    <dialog ref={dialog} aria-labelledby={id} onClose={close}>
      <h2 id={id}>{title}</h2>
      {children}
    </dialog>
  );
}

export function Bar({ label, value, max }: { label: string; value: number; max: number }) {
  return <progress aria-label={label} value={value} max={Math.max(max, 1)} />;
}

// Points that come together: what the page stands for, and what stands in for a picture that is not there.
export function Mark() {
  const dots = [
    [4, 11, 1.6], [8, 12.5, 1.6], [12, 11, 1.6], [6, 8, 1.4], [10, 8, 1.4], [8, 4, 1.3],
  ] as const;
  return (
    <svg class="mark" viewBox="0 0 16 16" aria-hidden="true">
      {dots.map(([x, y, r]) => (
        <circle key={`${x},${y}`} cx={x} cy={y} r={r} />
      ))}
    </svg>
  );
}

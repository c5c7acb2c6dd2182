/** A text field that is as high as its text, where the browser does not see to that. */
import { useLayoutEffect } from 'preact/hooks';

const BY_ITSELF = globalThis.CSS?.supports('field-sizing', 'content') ?? true;

export function useHeight(field: { current: HTMLTextAreaElement | null }, text: string): void {
  useLayoutEffect(() => {
    if (BY_ITSELF) return;
    const { style } = field.current!;
    style.height = 'auto';
    style.height = `${field.current!.scrollHeight}px`;
  }, [text]);
}

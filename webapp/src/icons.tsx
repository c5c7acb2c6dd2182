/** The page's icons: Lucide's drawings, as strokes of the text's colour. */
import type { IconNode } from 'lucide';
import { h } from 'preact';
import { memo } from 'preact/compat';

/** One that says nothing to a screen reader: what it stands in has a name. */
export const Icon = memo(function Icon({ of }: { of: IconNode }) {
  return (
    <svg class="icon" viewBox="0 0 24 24" aria-hidden="true" focusable="false">
      {of.map(([tag, attributes]) => h(tag, attributes as object))}
    </svg>
  );
});

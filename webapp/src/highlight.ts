/** Code as lines of coloured runs; loaded with the first block of code that is seen. */

import type { HLJSApi, Language } from 'highlight.js';
// Resolved through lowlight: listing highlight.js beside it would bring a second copy.
import dockerfile from 'highlight.js/lib/languages/dockerfile';
import powershell from 'highlight.js/lib/languages/powershell';
import { common, createLowlight } from 'lowlight';

/** A part of a line, and what it is, as `hljs-string`. */
export interface Run {
  text: string;
  class?: string;
}
/** Ends with its line break, but for the last. */
export type Line = Run[];

/** Source: learn.microsoft.com/azure/azure-resource-manager/bicep/file, 2026-11-30. */
function bicep({ C_LINE_COMMENT_MODE, C_BLOCK_COMMENT_MODE, C_NUMBER_MODE, BACKSLASH_ESCAPE }: HLJSApi): Language {
  const within = { className: 'subst', begin: /\$\{/, end: /\}/ };
  return {
    name: 'Bicep',
    keywords: {
      keyword:
        'metadata targetScope param var resource existing module output func type import using provider extension assert for in if with as',
      literal: 'true false null',
      built_in: 'string int bool object array any',
    },
    contains: [
      C_LINE_COMMENT_MODE,
      C_BLOCK_COMMENT_MODE,
      C_NUMBER_MODE,
      { className: 'string', begin: /'''/, end: /'''/ },
      { className: 'string', begin: /'/, end: /'/, contains: [BACKSLASH_ESCAPE, within] },
      { className: 'meta', begin: /@[\w.]+/ },
    ],
  } as Language;
}

const lowlight = createLowlight({ ...common, bicep, dockerfile, powershell });

export const isKnown = (language: string): boolean => lowlight.registered(language);

/** The lines of a code in a language that is known. */
export function lines(language: string, text: string): Line[] {
  const made: Line[] = [[]];
  put(made, lowlight.highlight(language, text).children as Node[], undefined);
  return made;
}

/** A node of lowlight's tree, as far as it makes any. */
interface Node {
  value?: string;
  properties?: { className?: string[] };
  children?: Node[];
}

/** Flat: of nested kinds the innermost counts. */
function put(made: Line[], nodes: Node[], kind: string | undefined): void {
  for (const { value, properties, children } of nodes) {
    if (children) put(made, children, properties?.className?.join(' '));
    for (const text of value?.match(/[^\n]*\n|[^\n]+/g) ?? []) {
      made.at(-1)!.push(kind ? { text, class: kind } : { text });
      if (text.endsWith('\n')) made.push([]);
    }
  }
}

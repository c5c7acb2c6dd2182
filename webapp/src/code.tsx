/** A block of code, highlighted where its language is known, with a button that copies it. */

// Resolved through lowlight: listing highlight.js beside it would bring a second copy.
import bash from 'highlight.js/lib/languages/bash';
import css from 'highlight.js/lib/languages/css';
import javascript from 'highlight.js/lib/languages/javascript';
import json from 'highlight.js/lib/languages/json';
import python from 'highlight.js/lib/languages/python';
import sql from 'highlight.js/lib/languages/sql';
import typescript from 'highlight.js/lib/languages/typescript';
import xml from 'highlight.js/lib/languages/xml';
import yaml from 'highlight.js/lib/languages/yaml';
import { createLowlight } from 'lowlight';
import type { ComponentChildren } from 'preact';
import { h } from 'preact';
import { useContext, useMemo } from 'preact/hooks';
import { Copy } from './parts';
import { Say } from './say';
import { texts } from './texts';

const lowlight = createLowlight({ bash, css, javascript, json, python, sql, typescript, xml, yaml });

export function Code({ text, language }: { text: string; language: string | undefined }) {
  const known = language !== undefined && lowlight.registered(language);
  const shown = useMemo(() => (known ? drawn(lowlight.highlight(language, text)) : text), [text, language, known]);
  const say = useContext(Say);
  return (
    <figure class="code">
      <figcaption>
        <span>{language || texts.conversation.plain}</span>
        <Copy text={text} label={texts.conversation.copyCode} say={say} />
      </figcaption>
      <pre tabIndex={0} role="region" aria-label={texts.conversation.code}>
        <code>{shown}</code>
      </pre>
    </figure>
  );
}

/** A node of lowlight's tree, as far as it makes any. */
interface Node {
  type: string;
  value?: string;
  tagName?: string;
  properties?: { className?: string[] };
  children?: Node[];
}

function drawn(node: Node): ComponentChildren {
  if (node.type === 'text') return node.value;
  const children = node.children?.map(drawn);
  return node.tagName ? h(node.tagName, { class: node.properties?.className?.join(' ') }, children) : children;
}

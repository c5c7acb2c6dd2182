/** An answer's text with what it rests on: what the model thought, the tools it asked for, the sources it names. */
import { BookOpen, Brain, ExternalLink, type IconNode, Wrench, X } from 'lucide';
import type { ComponentChildren } from 'preact';
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';
import { Citable, cited } from './citations';
import { Code } from './code';
import type { Source } from './completion';
import { isUnderWay, type Message } from './conversation';
import { Icon } from './icons';
import { Markdown } from './markdown';
import { Action } from './parts';
import { texts } from './texts';

const { conversation } = texts;
const NONE: Source[] = [];

export function Evidence({ message }: { message: Message }) {
  const { id, content, reasoning, tools = [] } = message;
  const { text, sources } = useMemo(() => cited(content, message.sources ?? NONE), [content, message.sources]);
  const [chosen, choose] = useState(0);
  const panel = `sources-${id}`;
  const citable = useMemo(() => (sources.length ? { panel, sources, onChoose: choose } : null), [panel, sources]);
  const thinks = isUnderWay(message) && content === '';
  return (
    <Citable.Provider value={citable}>
      {reasoning && (
        <Fold icon={Brain} name={thinks ? conversation.thinking : conversation.reasoning} open={thinks}>
          <Markdown text={reasoning} />
        </Fold>
      )}
      {tools.map((tool, index) => (
        <Fold key={index} icon={Wrench} name={conversation.tool(tool.name)} open={false}>
          <Code text={readable(tool.arguments)} language="json" closed={!isUnderWay(message)} />
        </Fold>
      ))}
      <div class="markdown" dir="auto">
        <Markdown key={id} text={text} />
      </div>
      {sources.length > 0 && (
        <>
          <button type="button" class="button plain small sources-button" popovertarget={panel} onClick={() => choose(0)}>
            <Icon of={BookOpen} />
            {conversation.sources(sources.length)}
          </button>
          <Sources id={panel} sources={sources} chosen={chosen} />
        </>
      )}
    </Citable.Provider>
  );
}

function Fold({ icon, name, open, children }: { icon: IconNode; name: string; open: boolean; children: ComponentChildren }) {
  return (
    <details class="fold" open={open}>
      <summary>
        <Icon of={icon} />
        {name}
      </summary>
      <div class="markdown">{children}</div>
    </details>
  );
}

/** Beside the answer: each source with its passage; the chosen one is brought into sight. */
function Sources({ id, sources, chosen }: { id: string; sources: Source[]; chosen: number }) {
  const panel = useRef<HTMLElement>(null);
  const [shown, setShown] = useState(false);
  useEffect(() => {
    if (shown && chosen) panel.current!.querySelector(`li:nth-child(${chosen})`)?.scrollIntoView({ block: 'nearest' });
  }, [shown, chosen]);
  return (
    <aside
      id={id}
      ref={panel}
      popover="auto"
      class="sources"
      aria-label={conversation.sources(sources.length)}
      onToggle={(event) => setShown(event.newState === 'open')}
    >
      <div class="head">
        <h3>{conversation.sources(sources.length)}</h3>
        <Action icon={X} name={texts.close} onClick={() => panel.current!.hidePopover()} />
      </div>
      {shown && (
        <ol>
          {sources.map(({ title, url, quote }, index) => (
            <li key={index} aria-current={index + 1 === chosen ? 'true' : undefined}>
              {/^https?:/i.test(url) ? (
                <a href={url} target="_blank" rel="noopener noreferrer nofollow">
                  {title} <Icon of={ExternalLink} />
                </a>
              ) : (
                <b>{title}</b>
              )}
              {url && <span class="note">{hostOf(url)}</span>}
              {quote && <blockquote dir="auto">{quote}</blockquote>}
            </li>
          ))}
        </ol>
      )}
    </aside>
  );
}

function hostOf(url: string): string {
  return /^https?:\/\/([^/?#]+)/i.exec(url)?.[1] ?? url;
}

/** Arguments as the model wrote them, laid out where they are JSON by now. */
function readable(written: string): string {
  try {
    return JSON.stringify(JSON.parse(written), null, 2);
  } catch {
    return written;
  }
}

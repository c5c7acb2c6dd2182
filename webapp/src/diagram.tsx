/** A diagram of Mermaid, drawn in a frame of its own when it is complete and near the screen; its code until then, and where it cannot be drawn. */
import type { ComponentChildren } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { useListener } from './listen';
import { useNear } from './near';
import { texts } from './texts';

const { conversation } = texts;
const LARGEST_PX = 4000;

export function Diagram({ text, children: code }: { text: string; children: ComponentChildren }) {
  const box = useRef<HTMLDivElement>(null);
  const frame = useRef<HTMLIFrameElement>(null);
  const near = useNear(box);
  const dark = useDark();
  const [ready, setReady] = useState(false);
  const [failed, setFailed] = useState(false);
  const [height, setHeight] = useState(0);
  const [asked, setAsked] = useState(false);
  useListener(globalThis, 'message', ({ source, data }: MessageEvent) => {
    if (!source || source !== frame.current?.contentWindow) return;
    if (data === 'ready') setReady(true);
    else if (data === 'failed') setFailed(true);
    else if (Number.isFinite(data)) setHeight(Math.min(data, LARGEST_PX));
  });
  useEffect(() => {
    if (ready) frame.current?.contentWindow?.postMessage({ text, dark }, '*'); // it has no origin
  }, [ready, text, dark]);
  const drawn = height > 0 && !failed;
  return (
    <div class="diagram" ref={box}>
      {near && !failed && <iframe ref={frame} sandbox="allow-scripts" src="/diagram" title={conversation.diagram} height={height} />}
      {drawn && (
        <button type="button" class="quiet small" aria-expanded={asked} onClick={() => setAsked(!asked)}>
          {conversation.showCode}
        </button>
      )}
      {(!drawn || asked) && code}
    </div>
  );
}

/** Whether the page is drawn dark: as chosen, else as the system has it. */
function useDark(): boolean {
  const [dark, setDark] = useState(false);
  useEffect(() => {
    const { documentElement: root } = document;
    const system = matchMedia('(prefers-color-scheme: dark)');
    const look = () => setDark(root.dataset.theme === 'dark' || (root.dataset.theme !== 'light' && system.matches));
    const watcher = new MutationObserver(look);
    look();
    watcher.observe(root, { attributeFilter: ['data-theme'] });
    system.addEventListener('change', look);
    return () => {
      watcher.disconnect();
      system.removeEventListener('change', look);
    };
  }, []);
  return dark;
}

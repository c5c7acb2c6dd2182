/** Writing by voice, where the browser can do it and the person lets it. */
import { useRef, useState } from 'preact/hooks';
import { locale } from './texts';

/** What is used of the browsers' speech recognition; TypeScript does not know it yet. */
interface Recognition extends EventTarget {
  lang: string;
  start(): void;
  stop(): void;
}
const Recognizer: (new () => Recognition) | undefined =
  (globalThis as any).SpeechRecognition ?? (globalThis as any).webkitSpeechRecognition;

export interface Voice {
  on: boolean;
  toggle: () => void;
  stop: () => void;
}

/** Null where this browser hears nothing. `heard` gets what was said, sentence by sentence. */
export function useVoice(heard: (text: string) => void): Voice | null {
  const [running, setRunning] = useState<Recognition | null>(null);
  const newest = useRef(heard);
  newest.current = heard;
  if (!Recognizer) return null;
  const stop = () => running?.stop();
  const start = () => {
    const recognition = new Recognizer();
    recognition.lang = locale;
    recognition.addEventListener('result', (event: any) => newest.current(event.results[event.resultIndex][0].transcript.trim()));
    recognition.addEventListener('end', () => setRunning(null));
    recognition.start();
    setRunning(recognition);
  };
  return { on: running !== null, toggle: running ? stop : start, stop };
}

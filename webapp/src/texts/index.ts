/** The page's sentences in the language that was chosen, else in the browser's, else in English. */
import { preferences } from '../preferences';
import { de } from './de';
import { en, type Texts } from './en';

export const LANGUAGES: Record<string, Texts> = { en, de };

const wanted = [preferences().language, ...(globalThis.navigator?.languages ?? [])].map((tag) => tag.split('-')[0]!);
export const language = wanted.find((each) => each in LANGUAGES) ?? 'en';
export const texts: Texts = LANGUAGES[language]!;

/** The code under test, like that of any Node service: it does not know about the mock. */
import OpenAI from 'openai'

const client = new OpenAI({ baseURL: process.env.OPENAI_BASE_URL, apiKey: process.env.OPENAI_API_KEY, maxRetries: 2 })

/** The answer; `onText` gets the text as it grows. A broken connection keeps the text received so far. */
export async function answer(question, onText = () => {}) {
  const stream = await client.chat.completions.create({
    model: 'gpt-4o',
    messages: [{ role: 'user', content: question }],
    stream: true,
  })
  let text = ''
  try {
    for await (const chunk of stream) {
      text += chunk.choices[0]?.delta?.content ?? '' // Azure's first chunk has no choices
      onText(text)
    }
  } catch (error) {
    return { text, broken: true }
  }
  return { text, broken: false }
}

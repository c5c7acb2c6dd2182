// Hides the visits that do not have all the words, or in which nothing went wrong, and says how many are left.
const form = document.querySelector('form');
const visits = [...document.querySelectorAll('.visit')].map((visit) => [visit, visit.textContent.toLowerCase()]);
const folded = document.querySelector('.folded');
function show() {
  const words = form.words.value.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0;
  for (const [visit, text] of visits) {
    visit.hidden = !words.every((word) => text.includes(word)) || (form.wrong.checked && !visit.matches('.wrong'));
    shown += visit.hidden ? 0 : 1;
  }
  if (folded) folded.open = words.length > 0 && folded.querySelector('.visit:not([hidden])') !== null;
  form.querySelector('output').textContent = shown === visits.length ? '' : `${shown} of ${visits.length} shown`;
}
form.hidden = false;
form.addEventListener('input', show);
form.addEventListener('submit', (event) => event.preventDefault());
show();

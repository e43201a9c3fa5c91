// Prints facts.tsv: one line a country, "name<TAB>capital<TAB>continent", sorted by name.
// Needs the npm package countries-list 3.4.1 (MIT):
//   npm install --no-save --no-package-lock countries-list@3.4.1 && node facts.mjs > facts.tsv
import { continents, countries } from 'countries-list';

const rows = Object.values(countries)
    .filter((country) => country.capital)
    .map((country) => [country.name, country.capital, continents[country.continent]].join('\t'))
    .sort((a, b) => (a < b ? -1 : 1));
console.log(rows.join('\n'));

import { rePricingSumsOf } from './reprice-sums.ts';
import { serveSums } from './sums-thread.ts';

serveSums(rePricingSumsOf);

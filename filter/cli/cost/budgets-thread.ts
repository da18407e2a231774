import { bucketsOf } from './budgets.ts';
import { serveSums } from './sums-thread.ts';

serveSums(bucketsOf);

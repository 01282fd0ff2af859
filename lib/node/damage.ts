/** A key and the partition it belongs to. */
export interface Place {
  readonly partition: number;
  readonly key: string;
}

/** Keys whose records were found to be damaged, until another owner's copy has replaced them. */
export interface DamageList {
  add(place: Place): void;
  has(key: string): boolean;
}

/** Whether what is damaged must not pass for missing: so for who counts the answer as a vote. */
export interface Strictness {
  readonly strict?: boolean;
}

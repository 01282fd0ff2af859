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

"""The song as notes: form, harmony, melody, rhythm."""

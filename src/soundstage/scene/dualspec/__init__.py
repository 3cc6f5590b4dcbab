"""DualSpec: latent diffusion from words to both ears (Zhao et al.).

- `prompts`: the paper's prompts
- `flan_t5`: the paper's text encoder, from a local folder or the hub
- `model`: weights of a variant, with their VAEs and the vocoder
- `sampling`: latents from prompts
- `assembly`: sound from latents
"""

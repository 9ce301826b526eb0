"""What was published of the same as the table's cells measure: row -> family -> a sentence that names its sources.

Numbers were read again at their source; what is from a paper's abstract or from a README alone says so.
"""

from __future__ import annotations

DDIM_CIFAR10 = {10: 13.36, 20: 6.84, 50: 4.67, 100: 4.16, 1000: 4.04}  # FID by steps, Song et al. 2020, arXiv:2010.02502, table 1

REFERENCES: dict[str, dict[str, str]] = {
    "quality": {
        "vae": "people misjudge real or fake (.50 is chance): NVAE .13 (CIFAR-10), Efficient-VDVAE .09 (FFHQ-256) (Stein et al. 2023)",
        "gan": "people misjudge real or fake (.50 is chance), ImageNet-256: BigGAN .16, StyleGAN-XL .15, GigaGAN .21 (Stein et al. 2023); "
        "CIFAR-10 FID: StyleGAN2-ADA 2.42 (Karras et al. 2020, abstract)",
        "autoregressive": "people misjudge real or fake (.50 is chance), ImageNet-256: RQ-Transformer .22 (Stein et al. 2023)",
        "diffusion": "people misjudge real or fake (.50 is chance), ImageNet-256: ADM .27, DiT .29, LDM .31, DiT guided .33 "
        "(Stein et al. 2023); CIFAR-10 FID: DDPM 3.17 (Ho et al. 2020, abstract)",
    },
    "speed": {
        "vae": "very deep VAEs draw thousands of times faster than PixelCNN (Child 2020, abstract)",
        "gan": "50,000 images of 32×32 in under a minute on one GPU (Song et al. 2020)",
        "autoregressive": "one network evaluation per pixel, each after the last; drawing groups of pixels together is orders of magnitude "
        "faster (Reed et al. 2017, abstract)",
        "diffusion": "50,000 images of 32×32 in about 20 hours on one GPU (DDPM); CIFAR-10 FID of DDIM at "
        f"{'/'.join(map(str, DDIM_CIFAR10))} steps: {' / '.join(map(str, DDIM_CIFAR10.values()))} (Song et al. 2020)",
    },
    "stability": {
        "vae": "CIFAR-10 FID: VAE with learnt noise 76.7 ± 0.8 (Dai & Wipf 2019, table 1)",
        "gan": "CIFAR-10 FID: LSGAN 87.1 ± 47.5, six other GANs ± 0.9 to ± 3.6 (Dai & Wipf 2019, table 1)",
        "autoregressive": "that a model of over a billion parameters should not diverge in 16-bit precision was the hardest part of it "
        "(Ramesh et al. 2021, section 2.4)",
        "diffusion": "said, not measured: its training objective does not move (Dhariwal & Nichol 2021), and it shows none of the "
        "instabilities of GANs (Rombach et al. 2021)",
    },
    "control": {
        "vae": "faces and birds are drawn, and completed, from given attributes (Yan et al. 2015, abstract)",
        "gan": "a classifier that saw only BigGAN-deep's pictures of given classes is worse on real ones, and better after those of "
        "VQ-VAE-2 or of a hierarchical autoregressive model (Ravuri & Vinyals 2019, abstract)",
        "autoregressive": "GenEval overall: minDALL-E .23 (Ghosh et al. 2023)",
        "diffusion": "GenEval overall: SD 1.5 .43, SD 2.1 .50, SDXL .55, IF-XL .61 (Ghosh et al. 2023)",
    },
    "faces": {
        "vae": "latent vectors of a VAE hold what a face expresses well enough to predict its attributes (Hou et al. 2016, abstract)",
        "gan": "gender, age, expression, glasses and pose are edited along directions of the latent space (Shen et al. 2020, abstract)",
        "autoregressive": "to change a region lacks global information, is slow, and the region leaks into what guides it; a local "
        "Transformer is made for it and tried on faces (Cao et al. 2021, abstract)",
        "diffusion": "no semantic latent space of its own, but one is found inside the frozen network (Kwon et al. 2022, abstract)",
    },
    "novelty": {
        "vae": "can learn training images by heart, which is neither mode collapse nor overfitting "
        "(Van den Burg & Williams 2021, abstract)",
        "gan": "mode collapse and lack of diversity count as known shortcomings (Razavi et al. 2019, abstract); gives away less of its "
        "training images than diffusion does (Carlini et al. 2023, abstract)",
        "autoregressive": "VQ-VAE-2 rivals GANs without their mode collapse and lack of diversity (Razavi et al. 2019, abstract)",
        "diffusion": "covers more of the distribution than BigGAN-deep (Dhariwal & Nichol 2021, abstract), but over a thousand training "
        "images were extracted from such models (Carlini et al. 2023, abstract)",
    },
    "resources": {
        "vae": "V100-days: NVAE 18 (CIFAR-10), 160 (FFHQ-256), from GPUs and hours (Vahdat & Kautz 2020, README)",
        "gan": "V100-days: BigGAN-deep 128-256 (ImageNet-256); StyleGAN2 64 (LSUN-Churches) (Rombach et al. 2021, table 18)",
        "autoregressive": "PixelCNN++ converges on CIFAR-10 in about 5 days of 8 Maxwell TITAN X (Salimans et al. 2017, README)",
        "diffusion": "V100-days: LDM-4 271, ADM 916 (ImageNet-256); LDM-8 18 (LSUN-Churches), converted from A100-days "
        "(Rombach et al. 2021, table 18)",
    },
}

READMES = {"Vahdat & Kautz 2020": "https://github.com/NVlabs/NVAE", "Salimans et al. 2017": "https://github.com/openai/pixel-cnn"}

SOURCES = READMES | {  # as they are named above -> where they can be read
    name: f"https://arxiv.org/abs/{number}"
    for name, number in {
        "Yan et al. 2015": "1512.00570",
        "Hou et al. 2016": "1610.00291",
        "Reed et al. 2017": "1703.03664",
        "Dai & Wipf 2019": "1903.05789",
        "Ravuri & Vinyals 2019": "1905.10887",
        "Razavi et al. 2019": "1906.00446",
        "Shen et al. 2020": "1907.10786",
        "Karras et al. 2020": "2006.06676",
        "Ho et al. 2020": "2006.11239",
        "Song et al. 2020": "2010.02502",
        "Child 2020": "2011.10650",
        "Ramesh et al. 2021": "2102.12092",
        "Dhariwal & Nichol 2021": "2105.05233",
        "Cao et al. 2021": "2106.02514",
        "Van den Burg & Williams 2021": "2106.03216",
        "Rombach et al. 2021": "2112.10752",
        "Kwon et al. 2022": "2210.10960",
        "Carlini et al. 2023": "2301.13188",
        "Stein et al. 2023": "2306.04675",
        "Ghosh et al. 2023": "2310.11513",
    }.items()
}

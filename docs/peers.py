"""Where the public names are found in PyTorch and in Keras.

PyTorch: under the same name in the module that HOMES gives, unless TORCH says otherwise; "" for
nowhere. Keras: where KERAS says so. A path starts below the package's name, and what comes after
it, behind a comma, is a remark. A second name of the same thing has the entry of the first.

`tests/against_torch/test_names.py` holds all that is said of PyTorch against PyTorch itself.
"""

from __future__ import annotations

HOMES = {  # the module here, and in PyTorch
    "nn": "nn",
    "nn.functional": "nn.functional",
    "nn.utils": "nn.utils",
    "nn.utils.rnn": "nn.utils.rnn",
    "nn.utils.parametrize": "nn.utils.parametrize",
    "nn.utils.parametrizations": "nn.utils.parametrizations",
    "nn.regularizers": "",
    "nn.constraints": "",
    "optim": "optim",
    "optim.lr_scheduler": "optim.lr_scheduler",
    "optim.swa_utils": "optim.swa_utils",
    "amp": "amp",
    "init": "nn.init",
}


def nowhere(module: str, names: str) -> dict[str, str]:
    """Entries for names that are only here."""
    return {f"{module}.{name}": "" for name in names.split()}


TORCH = {
    **nowhere("nn", """
        ActivityRegularization BahdanauAttention BinaryCrossEntropy BipolarStep
        CategoricalCrossEntropy CategoricalHingeLoss ContrastiveLoss CutMix DepthwiseConv1d
        DepthwiseConv2d DiceLoss DropPath FeedForward FocalLoss FocalTverskyLoss GaussianDropout
        GaussianKLLoss GaussianNoise GeGLU HingeLoss InfoNCELoss IoULoss JaccardLoss KVCache
        Lambda LearnedPositionalEmbedding LogCoshLoss MAPELoss MSLELoss Maxout MixUp NTXentLoss
        Parallel PeepholeLSTM PerceptronLoss ReGLU Reparametrize Residual RotaryPositionalEmbedding
        RotaryPositionalEmbeddings SeparableConv1d SeparableConv2d SinusoidalPositionalEncoding
        SparseCategoricalCrossEntropy Sparsemax SpatialPyramidPooling SquaredHingeLoss SwiGLU
        Swish TverskyLoss Unpool2d VAELoss
    """),
    "nn.CIoULoss": "torchvision.ops.complete_box_iou_loss",
    "nn.DIoULoss": "torchvision.ops.distance_box_iou_loss",
    "nn.GIoULoss": "torchvision.ops.generalized_box_iou_loss",
    "nn.GlobalAvgPool1d": "nn.AdaptiveAvgPool1d, of size 1",
    "nn.GlobalAvgPool2d": "nn.AdaptiveAvgPool2d, of size 1",
    "nn.GlobalAvgPool3d": "nn.AdaptiveAvgPool3d, of size 1",
    "nn.GlobalMaxPool1d": "nn.AdaptiveMaxPool1d, of size 1",
    "nn.GlobalMaxPool2d": "nn.AdaptiveMaxPool2d, of size 1",
    "nn.GlobalMaxPool3d": "nn.AdaptiveMaxPool3d, of size 1",
    "nn.SigmoidFocalLoss": "torchvision.ops.sigmoid_focal_loss",
    "nn.Step": "heaviside",
    **nowhere("nn.functional", """
        additive_attention alibi_bias alibi_slopes binary_crossentropy bipolar_step
        categorical_cross_entropy categorical_hinge_loss causal_mask combine_masks
        contrastive_loss conv_output_size conv_transpose_output_size cross_attention cutmix
        dice_loss dot_product_attention drop_path flash_attention focal_loss focal_tversky_loss
        gaussian_dropout gaussian_kl gaussian_noise geglu global_avg_pool global_max_pool
        hinge_loss info_nce_loss iou_loss jaccard_loss linear_attention linformer_attention
        local_attention log_cosh_loss mape_loss maxout mixup msle_loss nt_xent_loss padding_mask
        perceptron_loss performer_attention random_features reglu reparametrize rotary_embedding
        self_attention sinusoidal_positions sliding_window_mask smooth_labels sparse_attention
        sparse_categorical_cross_entropy sparsemax spatial_pyramid_pool squared_hinge_loss swiglu
        swish tversky_loss unpool2d vae_loss
    """),
    "nn.functional.box_area": "torchvision.ops.box_area",
    "nn.functional.box_convert": "torchvision.ops.box_convert",
    "nn.functional.box_iou": "torchvision.ops.box_iou",
    "nn.functional.complete_box_iou_loss": "torchvision.ops.complete_box_iou_loss",
    "nn.functional.distance_box_iou_loss": "torchvision.ops.distance_box_iou_loss",
    "nn.functional.generalized_box_iou_loss": "torchvision.ops.generalized_box_iou_loss",
    "nn.functional.identity": "nn.Identity",
    "nn.functional.sigmoid_focal_loss": "torchvision.ops.sigmoid_focal_loss",
    "nn.functional.softmax2d": "nn.Softmax2d",
    "nn.functional.step": "heaviside",
    **nowhere("optim", """
        AdaBelief Adan GradientAccumulation GradientNoise LAMB LARS LRFinder Lion Lookahead
        MasterWeights Momentum NovoGrad ParamGroup PerceptronRule RangeTest SAM SM3
        ScheduleFreeAdamW SignSGD Transformed WeightAverage Wrapper Yogi adaptive_clip centralize
        chain clip_by_norm ewma find_lr linear_scaling
    """),
    "optim.EMA": "optim.swa_utils.AveragedModel, with get_ema_avg_fn",
    "optim.SWA": "optim.swa_utils.AveragedModel",
    "optim.clip_by_global_norm": "nn.utils.clip_grad_norm_",
    "optim.clip_by_value": "nn.utils.clip_grad_value_",
    "optim.global_norm": "nn.utils.get_total_norm",
    "optim.AMSGrad": "optim.Adam, with amsgrad=True",
    "optim.NAdamW": "optim.NAdam, with decoupled_weight_decay=True",
    **nowhere("optim.lr_scheduler", """
        CosineDecay CosineDecayRestarts CosineWithWarmup ExponentialDecay InverseSquareRootLR
        InverseTimeDecay InverseTimeLR NoamLR PiecewiseConstantDecay PolynomialDecay WarmupLR
    """),
    "init.calculate_gain": "nn.init.calculate_gain",
    **nowhere("init", "delta_orthogonal fans lecun_normal lecun_uniform naive variance_scaling"),
}  # fmt: skip


def alike(module: str, theirs: str, names: str) -> dict[str, str]:
    """Entries for pairs of names, here and in Keras; a name alone is the same in both."""
    pairs = (pair.partition(":") for pair in names.split())
    return {f"{module}.{here}": f"{theirs}.{there or here}" for here, _, there in pairs}


KERAS = {
    **alike("nn", "layers", """
        ActivityRegularization AdaptiveAvgPool1d:AdaptiveAveragePooling1D
        AdaptiveAvgPool2d:AdaptiveAveragePooling2D AdaptiveAvgPool3d:AdaptiveAveragePooling3D
        AdaptiveMaxPool1d:AdaptiveMaxPooling1D AdaptiveMaxPool2d:AdaptiveMaxPooling2D
        AdaptiveMaxPool3d:AdaptiveMaxPooling3D AlphaDropout AvgPool1d:AveragePooling1D
        AvgPool2d:AveragePooling2D AvgPool3d:AveragePooling3D BahdanauAttention:AdditiveAttention
        BatchNorm1d:BatchNormalization BatchNorm2d:BatchNormalization
        BatchNorm3d:BatchNormalization Conv1d:Conv1D Conv2d:Conv2D Conv3d:Conv3D
        ConvTranspose1d:Conv1DTranspose ConvTranspose2d:Conv2DTranspose
        ConvTranspose3d:Conv3DTranspose CutMix DepthwiseConv1d:DepthwiseConv1D
        DepthwiseConv2d:DepthwiseConv2D Dropout Dropout1d:SpatialDropout1D
        Dropout2d:SpatialDropout2D Dropout3d:SpatialDropout3D ELU Embedding Flatten GRU GRUCell
        GaussianDropout GaussianNoise GlobalAvgPool1d:GlobalAveragePooling1D
        GlobalAvgPool2d:GlobalAveragePooling2D GlobalAvgPool3d:GlobalAveragePooling3D
        GlobalMaxPool1d:GlobalMaxPooling1D GlobalMaxPool2d:GlobalMaxPooling2D
        GlobalMaxPool3d:GlobalMaxPooling3D GroupNorm:GroupNormalization Identity LSTM LSTMCell
        Lambda LayerNorm:LayerNormalization LeakyReLU Linear:Dense MaxPool1d:MaxPooling1D
        MaxPool2d:MaxPooling2D MaxPool3d:MaxPooling3D MixUp Module:Layer
        MultiheadAttention:MultiHeadAttention PReLU RMSNorm:RMSNormalization RNN:SimpleRNN
        RNNCell:SimpleRNNCell ReLU SeparableConv1d:SeparableConv1D SeparableConv2d:SeparableConv2D
        Softmax Unflatten:Reshape ZeroPad1d:ZeroPadding1D ZeroPad2d:ZeroPadding2D
        ZeroPad3d:ZeroPadding3D
    """),
    **alike("nn", "activations", """
        CELU:celu GELU:gelu GLU:glu Hardshrink:hard_shrink Hardsigmoid:hard_sigmoid
        Hardswish:hard_swish Hardtanh:hard_tanh LogSigmoid:log_sigmoid LogSoftmax:log_softmax
        Mish:mish ReLU6:relu6 SELU:selu SiLU:silu Sigmoid:sigmoid Softplus:softplus
        Softshrink:soft_shrink Softsign:softsign Sparsemax:sparsemax Tanh:tanh
        Tanhshrink:tanh_shrink Threshold:threshold
    """),
    **alike("nn", "losses", """
        BCELoss:BinaryCrossentropy BinaryCrossEntropy:BinaryCrossentropy CTCLoss:CTC
        CategoricalCrossEntropy:CategoricalCrossentropy CategoricalHingeLoss:CategoricalHinge
        DiceLoss:Dice FocalLoss:CategoricalFocalCrossentropy HingeLoss:Hinge HuberLoss:Huber
        KLDivLoss:KLDivergence L1Loss:MeanAbsoluteError LogCoshLoss:LogCosh
        MAPELoss:MeanAbsolutePercentageError MSELoss:MeanSquaredError
        MSLELoss:MeanSquaredLogarithmicError SigmoidFocalLoss:BinaryFocalCrossentropy
        SparseCategoricalCrossEntropy:SparseCategoricalCrossentropy SquaredHingeLoss:SquaredHinge
        TverskyLoss:Tversky
    """),
    "nn.BCEWithLogitsLoss": "losses.BinaryCrossentropy, from_logits=True",
    "nn.CosineSimilarity": "losses.CosineSimilarity, of the opposite sign",
    "nn.CrossEntropyLoss": "losses.SparseCategoricalCrossentropy, from_logits=True",
    "nn.InstanceNorm1d": "layers.GroupNormalization, groups=-1",
    "nn.InstanceNorm2d": "layers.GroupNormalization, groups=-1",
    "nn.InstanceNorm3d": "layers.GroupNormalization, groups=-1",
    "nn.Parameter": "Variable",
    "nn.PixelShuffle": "ops.depth_to_space",
    "nn.PixelUnshuffle": "ops.space_to_depth",
    "nn.PoissonNLLLoss": "losses.Poisson, log_input=False here",
    "nn.Sequential": "Sequential",
    "nn.Upsample": "layers.UpSampling2D",
    "nn.UpsamplingBilinear2d": "layers.UpSampling2D",
    "nn.UpsamplingNearest2d": "layers.UpSampling2D",
    **alike("nn.functional", "activations", """
        celu elu gelu glu hardshrink:hard_shrink hardsigmoid:hard_sigmoid hardswish:hard_swish
        hardtanh:hard_tanh identity:linear leaky_relu logsigmoid:log_sigmoid log_softmax mish relu
        relu6 selu sigmoid silu softmax softplus softshrink:soft_shrink softsign sparsemax
        swish tanh tanhshrink:tanh_shrink threshold
    """),
    **alike("nn.functional", "losses", """
        binary_cross_entropy:binary_crossentropy binary_crossentropy
        categorical_cross_entropy:categorical_crossentropy
        categorical_hinge_loss:categorical_hinge ctc_loss:ctc dice_loss:dice
        focal_loss:categorical_focal_crossentropy hinge_loss:hinge huber_loss:huber
        kl_div:kl_divergence l1_loss:mean_absolute_error log_cosh_loss:log_cosh
        mape_loss:mean_absolute_percentage_error mse_loss:mean_squared_error
        msle_loss:mean_squared_logarithmic_error sigmoid_focal_loss:binary_focal_crossentropy
        sparse_categorical_cross_entropy:sparse_categorical_crossentropy
        squared_hinge_loss:squared_hinge tversky_loss:tversky
    """),
    **alike("nn.functional", "ops", """
        avg_pool1d:average_pool avg_pool2d:average_pool avg_pool3d:average_pool
        batch_norm:batch_normalization conv1d:conv conv2d:conv conv3d:conv
        conv_transpose1d:conv_transpose conv_transpose2d:conv_transpose
        conv_transpose3d:conv_transpose fold interpolate:image.resize
        layer_norm:layer_normalization max_pool1d:max_pool max_pool2d:max_pool
        max_pool3d:max_pool normalize one_hot pad pixel_shuffle:depth_to_space
        pixel_unshuffle:space_to_depth rms_norm:rms_normalization
        scaled_dot_product_attention:dot_product_attention step:heaviside unfold
    """),
    "nn.functional.adaptive_avg_pool1d": "ops.adaptive_average_pool",
    "nn.functional.adaptive_avg_pool2d": "ops.adaptive_average_pool",
    "nn.functional.adaptive_avg_pool3d": "ops.adaptive_average_pool",
    "nn.functional.adaptive_max_pool1d": "ops.adaptive_max_pool",
    "nn.functional.adaptive_max_pool2d": "ops.adaptive_max_pool",
    "nn.functional.adaptive_max_pool3d": "ops.adaptive_max_pool",
    "nn.functional.binary_cross_entropy_with_logits":
        "losses.binary_crossentropy, from_logits=True",
    "nn.functional.cosine_similarity": "losses.cosine_similarity, of the opposite sign",
    "nn.functional.cross_entropy": "losses.sparse_categorical_crossentropy, from_logits=True",
    "nn.functional.dropout": "random.dropout",
    "nn.functional.poisson_nll_loss": "losses.poisson, log_input=False here",
    "nn.utils.spectral_norm": "layers.SpectralNormalization",
    "nn.utils.parametrizations.spectral_norm": "layers.SpectralNormalization",
    **alike("nn.regularizers", "regularizers", "L1 L2 ElasticNet:L1L2 OrthogonalRegularizer"),
    **alike("nn.constraints", "constraints", "MaxNorm MinMaxNorm NonNeg UnitNorm"),
    **alike("optim", "optimizers", """
        Adadelta Adafactor Adagrad Adam AdamW Adamax LAMB:Lamb Lion Muon NAdam:Nadam Optimizer
        RMSprop SGD ScheduleFreeAdamW
    """),
    "optim.AMSGrad": "optimizers.Adam, amsgrad=True",
    "optim.EMA": "optimizers.Optimizer, use_ema=True",
    "optim.GradientAccumulation": "optimizers.Optimizer, gradient_accumulation_steps",
    "optim.clip_by_global_norm": "optimizers.Optimizer, global_clipnorm",
    "optim.clip_by_norm": "optimizers.Optimizer, clipnorm",
    "optim.clip_by_value": "optimizers.Optimizer, clipvalue",
    **alike("optim.lr_scheduler", "optimizers.schedules", """
        CosineDecay CosineDecayRestarts ExponentialDecay InverseTimeDecay
        LRScheduler:LearningRateSchedule PiecewiseConstantDecay PolynomialDecay
    """),
    "optim.lr_scheduler.LambdaLR": "callbacks.LearningRateScheduler",
    "optim.lr_scheduler.ReduceLROnPlateau": "callbacks.ReduceLROnPlateau",
    "optim.Momentum": "optimizers.SGD, with momentum",
    **alike("init", "initializers", """
        constant:Constant eye:Identity kaiming_normal:HeNormal kaiming_uniform:HeUniform
        lecun_normal:LecunNormal lecun_uniform:LecunUniform normal:RandomNormal ones:Ones
        orthogonal:Orthogonal trunc_normal:TruncatedNormal uniform:RandomUniform
        variance_scaling:VarianceScaling xavier_normal:GlorotNormal xavier_uniform:GlorotUniform
        zeros:Zeros
    """),
}  # fmt: skip

# What PyTorch has and this does not: why, and the names.
MISSING = {
    "The sizes are to be given: a layer has its parameters from the start.": """
        nn.LazyBatchNorm1d nn.LazyBatchNorm2d nn.LazyBatchNorm3d nn.LazyConv1d nn.LazyConv2d
        nn.LazyConv3d nn.LazyConvTranspose1d nn.LazyConvTranspose2d nn.LazyConvTranspose3d
        nn.LazyInstanceNorm1d nn.LazyInstanceNorm2d nn.LazyInstanceNorm3d nn.LazyLinear
        nn.UninitializedBuffer nn.UninitializedParameter nn.utils.skip_init nn.factory_kwargs
    """,
    "For several processes or devices: not yet.": "nn.DataParallel nn.SyncBatchNorm",
    "Classes in clusters by how frequent they are: not yet.": "nn.AdaptiveLogSoftmaxWithLoss",
    "Images read at any places: not yet.": "nn.functional.affine_grid nn.functional.grid_sample",
    "Layers merged for use after training: not yet.": """
        nn.utils.fuse_conv_bn_eval nn.utils.fuse_conv_bn_weights nn.utils.fuse_linear_bn_eval
        nn.utils.fuse_linear_bn_weights
    """,
    "Parametrizations moved from one module to another: not yet.":
        "nn.utils.parametrize.transfer_parametrizations_and_params",
    "Products of scaled 8-bit numbers, and of ragged groups: for GPUs.": """
        nn.functional.grouped_mm nn.functional.scaled_grouped_mm nn.functional.scaled_mm
        nn.functional.ScalingType nn.functional.SwizzleType
    """,
    "Gradients are dense here: take Adam.": "optim.SparseAdam",
    "In place: `inplace=True` is accepted, and the compiler reuses memory either way.": """
        nn.functional.celu_ nn.functional.elu_ nn.functional.hardtanh_ nn.functional.leaky_relu_
        nn.functional.relu_ nn.functional.rrelu_ nn.functional.selu_ nn.functional.threshold_
    """,
    "Old names of `interpolate`, `Module`, `LocalResponseNorm`, `NLLLoss`.": """
        nn.functional.upsample nn.functional.upsample_bilinear nn.functional.upsample_nearest
        nn.Container nn.CrossMapLRN2d nn.NLLLoss2d
    """,
    "How something lies in memory, or is cut into pieces, is the compiler's matter.": """
        nn.LinearCrossEntropyOptions nn.functional.conv_tbc
        nn.utils.convert_conv2d_weight_memory_format nn.utils.convert_conv3d_weight_memory_format
    """,
    "The function without this ending, with `return_indices=True`.": """
        nn.functional.adaptive_max_pool1d_with_indices
        nn.functional.adaptive_max_pool2d_with_indices
        nn.functional.adaptive_max_pool3d_with_indices nn.functional.max_pool1d_with_indices
        nn.functional.max_pool2d_with_indices nn.functional.max_pool3d_with_indices
        nn.functional.fractional_max_pool2d_with_indices
        nn.functional.fractional_max_pool3d_with_indices
    """,
    "`channel_shuffle` is the same.": "nn.functional.native_channel_shuffle",
    "`register_buffer` enters a buffer.": "nn.Buffer",
    "State is changed by `assign` and `set`, and no tensor is swapped for another.":
        "optim.swap_in_optimizer_params_and_state",
    "`tg.custom_vjp` has no need of them; autocast is always available.":
        "amp.custom_bwd amp.custom_fwd amp.is_autocast_available",
}  # fmt: skip
